// The list of rounds, newest first; the chosen one is drawn by round.js.

import { badge } from "./badge.js";
import { $, h, reconcile, setText, show } from "./dom.js";
import { count, fixed, percent, span } from "./format.js";
import { createRound } from "./round.js";
import { spark } from "./spark.js";

const KEPT = 200;

/** createRounds drives section #rounds. */
export function createRounds() {
  const byNumber = new Map();
  const detail = createRound($("round"));
  let chosen = null; // null follows the newest

  const newestFirst = () => [...byNumber.values()].sort((a, b) => b.round - a.round);

  function update(frame, first) {
    if (first) byNumber.clear();
    for (const r of frame) byNumber.set(r.round, r);
    for (const r of newestFirst().slice(KEPT)) byNumber.delete(r.round);
    render();
  }

  function choose(number) {
    chosen = number;
    render();
  }

  function render() {
    const list = newestFirst();
    show($("rounds-empty"), list.length === 0);
    show($("rounds-body"), list.length > 0);
    if (list.length === 0) return;
    const current = byNumber.get(chosen) ?? list[0];
    show($("rounds-follow"), current !== list[0]);
    reconcile($("rounds-list"), list, (r) => r.round, (r) => row(r, choose), (el, r) => fill(el, r, r === current));
    detail.update(current);
  }

  $("rounds-follow").addEventListener("click", () => choose(null));
  return { update, all: newestFirst };
}

function row(r, choose) {
  const el = h("tr", {},
    h("th", { scope: "row" }, h("button.link", { type: "button" }, `Round ${r.round}`)),
    h("td"), h("td.lambda-cell"), h("td.num"), h("td.num.wide-only"), h("td.num.wide-only"));
  el.addEventListener("click", () => choose(r.round));
  return el;
}

function fill(el, r, current) {
  const [head, verdict, lambda, gate, examples, took] = el.children;
  el.classList.toggle("current", current);
  head.firstElementChild.setAttribute("aria-pressed", String(current));
  verdict.replaceChildren(badge(r.verdict));
  const ls = (r.epochs ?? []).map((e) => e.lambda);
  lambda.replaceChildren(spark(ls, { width: 64, height: 22, kind: "lambda", top: 1, dots: true }),
    h("span.fine", {}, ls.length > 0 ? `${fixed(ls[0])} → ${fixed(ls.at(-1))}` : ""));
  setText(gate, r.candidate?.count > 0 ? `${r.live?.count > 0 ? fixed(100 * r.live.hr10, 1) : "none"} → ${percent(r.candidate.hr10)}` : "–");
  setText(examples, count(r.examples));
  setText(took, span(r.seconds));
}
