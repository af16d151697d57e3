// A recommended list: rank, score bar cut into its parts, source and reason, and what changed since the list before.

import { $, h, reconcile, setText, show } from "./dom.js";
import { fixed, nameOf, shouts } from "./format.js";
import { byReading, byWeight, part, reason, source } from "./names.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** changes tells for each item how it moved against the list before: "new", a number of places up (or down, negative), or 0. */
export function changes(items, before) {
  const place = new Map(before.map((it, i) => [it.id, i]));
  return new Map(items.map((it, i) => [it.id, place.has(it.id) ? place.get(it.id) - i : "new"]));
}

/** showAnswer fills the list; moved is what changes() found, or null when there is nothing to compare. onPick(id) is called on a click. */
export function showAnswer(answer, moved, onPick) {
  const list = $("recommended");
  const items = answer.items ?? [];
  const scale = barScale(items);
  const from = positions(list);
  reconcile(list, items, (it) => it.id, (it) => row(it, onPick), (el, it) => fill(el, it, items.indexOf(it) + 1, scale, moved?.get(it.id)));
  if (moved && !calm.matches) glide(list, from);
  if (items.length === 0) setText($("recommended-empty"), "Nothing to recommend yet: the catalogue is empty.");
  show($("recommended-empty"), items.length === 0);
  show(list, items.length > 0);
  setText($("recommended-note"), note(answer));
  legend(items);
}

// note says what made the list, and what it lacks.
function note(answer) {
  const model = answer.model_version ? `by ${answer.model_version}` : "no model yet";
  return [model, answer.text && `language model: ${answer.text}`, answer.degraded].filter(Boolean).join(" · ");
}

function row(it, onPick) {
  return h("li", { "data-item": it.id },
    h("button.item", { type: "button", click: () => onPick(it.id) },
      h("span.rank"), h("span.item-title"), h("span.moved"), h("span.source"), h("span.score"), h("span.bar", { "aria-hidden": "true" }), h("span.why")),
    h("details.because", {}, h("summary", {}, "In words", h("span.visually-hidden")), h("ul")));
}

// because writes what the server says made the score, in its words.
function because(el, it, title) {
  const [summary, list] = el.children;
  setText(summary.lastElementChild, `: why ${title}`);
  const words = it.why ?? [];
  if (list.dataset.words === words.join("\n")) return;
  list.dataset.words = words.join("\n");
  list.replaceChildren(...words.map((w) => h("li", {}, w)));
  show(el, words.length > 0);
}

function fill(el, it, rank, scale, moved) {
  const [no, name, move, from, score, bar, why] = el.firstElementChild.children;
  const title = nameOf(it.title, it.id);
  const { kind, name: sourceName } = source(it.source);
  setText(no, String(rank));
  name.replaceChildren(h(`span${shouts(title) ? ".calm" : ""}`, {}, title));
  name.title = title;
  from.className = `source badge ${kind}`;
  setText(from, sourceName);
  setText(score, fixed(it.score));
  setText(why, reason(it));
  because(el.lastElementChild, it, title);
  bar.replaceChildren(...segments(it, scale));
  const text = moved === "new" ? "new" : moved > 0 ? `▲ ${moved}` : moved < 0 ? `▼ ${-moved}` : "";
  setText(move, text);
  move.title = moved > 0 ? `up by ${moved}` : moved < 0 ? `down by ${-moved}` : "";
  el.classList.toggle("changed", text !== "");
  el.classList.toggle("new", moved === "new");
  el.classList.toggle("down", moved < 0);
}

/** barScale maps scores to 0..1 of the bar: the best item fills it. Empty is 0, or a little below the worst where scores are negative. */
function barScale(items) {
  const scores = items.map((it) => it.score);
  const high = Math.max(...scores);
  const worst = Math.min(...scores);
  const low = worst >= 0 ? 0 : worst - 0.25 * (high - worst);
  return (v) => (high > low ? Math.max(0.02, (v - low) / (high - low)) : 1);
}

function segments(it, scale) {
  const length = 100 * scale(it.score);
  const positive = byWeight(it.parts).filter((p) => p.value > 0);
  const sum = positive.reduce((s, p) => s + p.value, 0);
  if (sum <= 0) return [segment(source(it.source).kind, length)];
  return positive.map((p) => segment(p.kind, (length * p.value) / sum));
}

function segment(kind, width) {
  const el = h(`i.${kind}`);
  el.style.width = `${width.toFixed(1)}%`;
  return el;
}

function legend(items) {
  const seen = new Map();
  for (const it of items) for (const p of byWeight(it.parts)) if (p.value > 0) seen.set(p.kind, p.id);
  $("recommended-legend").replaceChildren(...[...seen.values()].sort(byReading).map((id) => h(`li.${part(id).kind}`, {}, h("i.key"), part(id).long)));
}

const positions = (list) => new Map([...list.children].map((el) => [el, el.offsetTop]));

/** glide lets kept rows travel from their old place, so the eye can follow them. */
function glide(list, from) {
  for (const el of list.children) {
    const by = from.has(el) ? from.get(el) - el.offsetTop : 0;
    if (by !== 0) el.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: 260, easing: "ease-out" });
    else if (!from.has(el)) el.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 260 });
  }
}
