// The API key of a server that asks for one. It stays in this tab's session storage: closing the tab forgets it.

import { $, show, setText } from "./dom.js";

const NAME = "softrec-key";

/** key: what was entered in this tab, "" for none. */
export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // storage is turned off
  }
}

/** headers to send with every call. */
export const headers = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

/** refused shows the form after an answer 401 or 403; detail is the server's reason. */
export function refused(detail) {
  if (!$("key-form").hidden) return;
  setText($("key-note"), detail);
  show($("key-form"), true);
}

/** createKeyForm wires the form. A new key loads the page anew: every part of it then asks with the key. */
export function createKeyForm() {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const entered = $("key-input").value.trim();
    try {
      if (entered) sessionStorage.setItem(NAME, entered);
      else sessionStorage.removeItem(NAME);
    } catch {
      setText($("key-note"), "this browser keeps nothing for this page, so the key cannot be used");
      return;
    }
    location.reload();
  });
}
