// What the server's words mean to a reader: sources, score parts, scorers and verdicts, each with its colour class.

import { fixed } from "./format.js";

// Parts of a score, by the source they speak for: words for a part that lifts the item, and for one that holds it back.
const PARTS = {
  model: { kind: "model", short: "fits their path", against: "does not fit their path", long: "fits the path of the whole window (sequence model)" },
  text: { kind: "wording", short: "its title fits", against: "its title does not fit", long: "its title fits the titles they looked at (language model)" },
  similar: { kind: "similar", short: "follows their last items", against: "seldom follows their last items", long: "often follows what they did last (transitions)" },
  repeat: { kind: "repeat", short: "they come back to it", against: "no repeat due", long: "they did it before and people come back to such things (repeats)" },
  popular: { kind: "popular", short: "popular now", against: "less popular now", long: "popular of late (popularity)" },
};

const SOURCES = {
  model: { kind: "model", name: "model", why: "fits the path of the whole window" },
  text: { kind: "wording", name: "text", why: "its title fits the titles they looked at" },
  similar: { kind: "similar", name: "similar", why: "often follows what they did last" },
  repeat: { kind: "repeat", name: "repeat", why: "they did it before" },
  popular: { kind: "popular", name: "popular", why: "popular of late" },
  catalog: { kind: "catalog", name: "new", why: "one of the newest items: nothing better is known yet" },
  pinned: { kind: "catalog", name: "pinned", why: "the shop put it at this place" },
};

const SCORERS = {
  model: { kind: "model", name: "live model" },
  transitions: { kind: "similar", name: "transitions" },
  popularity: { kind: "popular", name: "popularity" },
};

/** source of an answer's item; an unknown one keeps its own name. */
export const source = (id) => SOURCES[id] ?? { kind: "catalog", name: id, why: id };

/** part of a score. */
export const part = (id) => PARTS[id] ?? { kind: "catalog", short: id, against: id, long: id };

/** scorer of the prequential record. */
export const scorer = (id) => SCORERS[id] ?? { kind: "catalog", name: id };

/** byReading sorts parts in the order the page tells them, unknown ones last. */
export const byReading = (a, b) => place(a) - place(b) || a.localeCompare(b);
const order = Object.keys(PARTS);
const place = (id) => (order.includes(id) ? order.indexOf(id) : order.length);

/** byWeight lists a score's parts, the strongest first. Parts that round to nothing are left out. */
export function byWeight(parts) {
  return Object.entries(parts ?? {})
    .filter(([, v]) => Math.abs(v) >= 0.005)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .map(([id, value]) => ({ id, value, ...part(id) }));
}

/** reason says in words why an item is in the list. */
export function reason(item) {
  const parts = byWeight(item.parts);
  if (parts.length === 0) return source(item.source).why;
  return parts.slice(0, 3).map((p) => (p.value < 0 ? `${p.against} ${fixed(p.value)}` : `${p.short} +${fixed(p.value)}`)).join(" · ");
}
