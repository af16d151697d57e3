// Search in the catalogue. Every result is a button: a click on it is an interaction.

import { searchItems } from "./api.js";
import { $, h, reconcile, setText } from "./dom.js";
import { count, nameOf, shouts } from "./format.js";

const PAUSE = 150; // ms without typing before the server is asked

/** createSearch drives the catalogue column. onPick(id) is called on a click. */
export function createSearch(onPick) {
  const input = $("search");
  let turn = 0;
  let timer = 0;
  let satisfied = false;

  async function run() {
    const mine = ++turn;
    const query = input.value.trim();
    try {
      const found = await searchItems(query);
      if (mine !== turn) return; // a later question is under way
      reconcile($("results"), found.items ?? [], (it) => it.id, (it) => result(it, onPick));
      setText($("search-note"), note(query, found));
      satisfied = query !== "" || found.items?.length > 0;
    } catch (e) {
      satisfied = false;
      if (mine === turn) setText($("search-note"), `Search failed: ${e.message}`);
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(run, PAUSE);
  });
  /** retry asks again after a failure, or while the catalogue was still empty. */
  const retry = () => (satisfied ? undefined : run());
  return { run, retry };
}

function note(query, { items, total }) {
  if (!query) return items?.length > 0 ? "The newest items" : "The catalogue is empty.";
  if (!total) return "Nothing found.";
  return total > items.length ? `${count(items.length)} of ${count(total)} found` : `${count(total)} found`;
}

function result(it, onPick) {
  const title = nameOf(it.title, it.id);
  return h("li", { "data-item": it.id },
    h("button.item.plain", { type: "button", title, click: () => onPick(it.id) },
      h("span.item-title", {}, h(`span${shouts(title) ? ".calm" : ""}`, {}, title)),
      h("span.fine", {}, [it.id, ...(it.categories ?? []).slice(0, 2)].join(" · "))));
}
