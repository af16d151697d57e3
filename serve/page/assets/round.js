// One round: what it was given, how the curriculum went, and why the gate decided as it did. The curves have different units,
// so they are small charts over the same epochs rather than one chart with several axes.

import { badge } from "./badge.js";
import { LineChart } from "./chart.js";
import { h } from "./dom.js";
import { count, fixed, percent, span, when } from "./format.js";

const epochAxis = { label: "epoch", format: String, whole: true };

/** createRound draws rounds into host. */
export function createRound(host) {
  const head = h("div.round-head");
  const facts = h("dl.facts");
  const gate = h("div.gate");
  const charts = h("div.round-charts");
  host.replaceChildren(head, charts, h("div.round-foot", {}, facts, gate));

  const lambda = chart(charts, "λ, weight of the easy copy", { format: fixed, exact: (v) => fixed(v, 3), min: 0, max: 1 });
  const loss = chart(charts, "Loss, nats", { format: fixed, exact: (v) => fixed(v, 3) });
  const distance = chart(charts, "Distance of answers to the truth", { format: fixed, exact: (v) => fixed(v, 3) });
  const validation = chart(charts, "HR@10 on the validation part", { format: (v) => percent(v, 0), exact: (v) => percent(v), min: 0 });

  function update(r) {
    const epochs = r.epochs ?? [];
    const of = (field) => epochs.map((e) => [e.epoch, e[field]]);
    const best = epochs.some((e) => e.epoch === r.best_epoch) ? [{ x: r.best_epoch, label: "best" }] : [];
    head.replaceChildren(h("h3", {}, `Round ${r.round}`), badge(r.verdict), h("p.reason", {}, r.reason || "No reason given."), ...remarks(r));
    charts.hidden = epochs.length === 0;
    lambda.update({ series: [{ kind: "lambda", name: "λ", points: of("lambda"), dots: true }], marks: best });
    loss.update({ series: [
      { kind: "real", name: "real", spoken: "real data D", points: of("loss_real"), dots: true },
      { kind: "easy", name: "easy", spoken: "easy copy D′", points: of("loss_easy"), dots: true },
    ], marks: best });
    distance.update({ series: [{ kind: "distance", name: "d", spoken: "distance", points: of("distance"), dots: true }], marks: references(r) });
    validation.update({ series: [{ kind: "valid", name: "", spoken: "HR@10", points: of("validation"), dots: true }], marks: best.map((m) => ({ ...m, low: true })) });
    facts.replaceChildren(...describe(r).flatMap(([term, text]) => [h("div", {}, h("dt", {}, term), h("dd", {}, text))]));
    gate.replaceChildren(...comparison(r));
  }

  return { update };
}

function chart(parent, title, y) {
  const host = h("div");
  parent.append(h("figure.small-chart", {}, h("figcaption", {}, title), host));
  return new LineChart(host, { title, height: 164, x: epochAxis, y });
}

/** references are the base model's and the teacher's distance, when they say something. */
function references(r) {
  const marks = [];
  if (r.base_distance > 0) marks.push({ y: r.base_distance, label: "base d₀", right: true, below: true });
  if (r.teacher?.distance > 0) marks.push({ y: r.teacher.distance, label: "teacher", below: true });
  return marks;
}

/** remarks are what else a person should know: what the quick half of the round did, and notes of the curriculum. */
function remarks(r) {
  const said = [...(r.notes ?? [])];
  if (r.refresh) said.unshift(`Before the network: new counts and mixing model ${r.refresh.verdict} (${r.refresh.reason})`);
  if (r.shadow) said.push(`In the shadow: ${beside(r.shadow, "candidate", r.shadow.other_scores, "live model", r.shadow.live_scores)}`);
  if (r.rollback) said.push(`Rolled back to ${r.rollback.other}: ${beside(r.rollback, "this model", r.rollback.live_scores, "the one before", r.rollback.other_scores)}`);
  return said.map((text) => h("p.reason.remark", {}, text));
}

/** beside says how two models did on the same interactions of the stream. */
function beside(trial, newer, its, older, theirs) {
  return `${newer} ${percent(its.hr10)}, ${older} ${percent(theirs.hr10)} HR@10 on the same ${count(its.count)} interactions (${trial.reason})`;
}

function describe(r) {
  const t = r.teacher ?? {};
  return [
    ["Examples", `${count(r.examples)} new, ${count(r.replayed)} replayed`],
    ["Held out for the gate", count(r.held_out)],
    ["Teacher", `${count(t.epochs)} epochs, loss ${fixed(t.loss)}, HR@10 ${percent(t.hr10)}`],
    ["Easy copy", `covers ${percent(r.coverage, 0)} of the targets, ${fixed(r.easy_popularity, 1)}× as popular`],
    ["Curriculum", `${r.schedule ?? "–"}, α ${fixed(r.alpha, 1)}, best epoch ${count(r.best_epoch)}`],
    ["Learner", `${r.learner ?? "–"}, seed ${r.seed ?? "–"}`],
    ["Ran", `${when(r.started)}, for ${span(r.seconds)}`],
    ["Live after it", r.model_version || "none"],
  ];
}

/** comparison is the gate: both models on the same interactions, which neither had seen. */
function comparison(r) {
  if (!(r.candidate?.count > 0)) return [];
  const live = r.live?.count > 0 ? r.live : null;
  const line = (name, field, format) => h("tr", {}, h("th", { scope: "row" }, name),
    h("td.num", {}, live ? format(live[field]) : "none"), h(`td.num${live && r.candidate[field] > live[field] ? ".better" : ""}`, {}, format(r.candidate[field])));
  return [h("table", {},
    h("caption", {}, `The gate: ${count(r.candidate.count)} interactions neither had seen`),
    h("thead", {}, h("tr", {}, h("td"), h("th.num", { scope: "col" }, "live"), h("th.num", { scope: "col" }, "candidate"))),
    h("tbody", {}, line("HR@10", "hr10", percent), line("NDCG@10", "ndcg10", (v) => fixed(v, 3)), line("MRR@10", "mrr10", (v) => fixed(v, 3))))];
}
