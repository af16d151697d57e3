// The API key of a server that asks for one. It stays in this tab's session storage: closing the tab forgets it.

import { $, show, setText } from "./dom.js";

const NAME = "softrec-key";
const ADMIN = "softrec-admin-key";

/** key: what was entered in this tab, "" for none. */
export const key = () => stored(NAME);

let adminKey = stored(ADMIN);

function stored(name) {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return ""; // storage is turned off
  }
}

/** setAdminKey keeps the operator's key in this tab, or forgets it for "". It goes only with what an operator does. */
export function setAdminKey(entered) {
  adminKey = entered;
  try {
    if (entered) sessionStorage.setItem(ADMIN, entered);
    else sessionStorage.removeItem(ADMIN);
  } catch {
    // storage is turned off: it lasts as long as the page
  }
}

/** hasAdminKey reports whether one was entered. */
export const hasAdminKey = () => adminKey !== "";

/** adminHeaders to send with what an operator does: the admin key, or the tab's own without one. */
export const adminHeaders = () => (adminKey ? { Authorization: `Bearer ${adminKey}` } : headers());

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
