// Quality: HR@10 of the live model, measured on each interaction before it is learnt, beside the two simple rivals.

import { LineChart } from "./chart.js";
import { $, h, setText, show } from "./dom.js";
import { compact, count, fixed, percent } from "./format.js";
import { scorer } from "./names.js";

const ORDER = ["model", "transitions", "popularity"];

/** createQuality drives section #quality. */
export function createQuality() {
  const chart = new LineChart($("quality-chart"), {
    title: "HR@10 over events",
    height: 290,
    x: { label: "events scored", format: compact, exact: count },
    y: { format: (v) => percent(v, 0), exact: (v) => percent(v, 1), min: 0 },
  });
  show($("quality-chart"), false);

  function update(p) {
    const known = p?.events > 0;
    show($("quality-empty"), !known);
    for (const id of ["quality-chart", "quality-now", "quality-note"]) show($(id), known);
    if (!known) return;
    $("quality-now").replaceChildren(...scorers(p.rolling).map((id) => figure(id, p)));
    setText($("quality-note"), note(p));
    const curve = p.curve ?? [];
    chart.update({
      series: scorers(curve.at(-1)?.hr10).map((id) => ({
        kind: scorer(id).kind, name: scorer(id).name, points: curve.map((c) => [c.events, c.hr10?.[id]]),
      })),
    });
  }

  return { update };
}

/** scorers in the page's order, unknown ones last. */
function scorers(byName) {
  const names = Object.keys(byName ?? {});
  return [...ORDER.filter((n) => names.includes(n)), ...names.filter((n) => !ORDER.includes(n)).sort()];
}

function figure(id, p) {
  const now = p.rolling[id];
  const base = p.rolling.popularity;
  const lift = id === "model" && base?.hr10 > 0 ? ` · ${fixed(now.hr10 / base.hr10, 1)}× popularity` : "";
  return h(`div.figure.${scorer(id).kind}`, {},
    h("p.label", {}, h("i.key"), scorer(id).name),
    h("p.value", {}, percent(now.hr10)),
    h("p.fine", {}, `${percent(p.scores?.[id]?.hr10)} over all${lift}`));
}

function note(p) {
  const m = p.rolling.model;
  const parts = [`Big figures: the newest ${count(m?.count)} of ${count(p.events)} events`];
  if (m) parts.push(`live model NDCG@10 ${fixed(m.ndcg10, 3)}, MRR@10 ${fixed(m.mrr10, 3)}`);
  if (p.model_age > 0) parts.push(`it has not yet learnt from the last ${count(p.model_age)}`);
  return parts.join(" · ");
}
