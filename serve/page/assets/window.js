// A user's window, newest entry first.

import { $, h, reconcile, setText, show } from "./dom.js";
import { count, nameOf, shouts, when } from "./format.js";

/** showWindow fills the window list. A repeat is an entry of its own, so the key is its place on the topic. */
export function showWindow(w) {
  const entries = [...(w.entries ?? [])].reverse();
  reconcile($("window"), entries, (e) => `${w.user_id}\n${e.partition}:${e.offset}`, entry, (el, e, fresh) => el.classList.toggle("fresh", fresh));
  show($("window-empty"), entries.length === 0);
  show($("window"), entries.length > 0);
  setText($("window-note"), entries.length > 0 ? `${count(entries.length)} interactions, newest first` : "");
}

function entry(e) {
  const title = nameOf(e.title, e.item_id);
  return h("li", { "data-item": e.item_id },
    h("span.item-title", { title }, h(`span${shouts(title) ? ".calm" : ""}`, {}, title)),
    h("span.fine", {}, `${e.type || "view"} · ${when(e.timestamp)}`));
}
