// What became of the answers: clicks and conversions by arm, model version and source, and how well each arm's lists foresaw the next
// interaction. The figures are totals and move slowly, so they are asked for now and then, and not while the tab is hidden.

import { attribution } from "./api.js";
import { $, h, setText, show } from "./dom.js";
import { count, fixed, NONE, percent } from "./format.js";
import { source } from "./names.js";

const EVERY = 5000; // ms between two looks

/** createAttribution drives section #attribution. */
export function createAttribution() {
  let timer = 0;

  async function refresh() {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        render(await attribution());
      } catch (e) {
        setText($("attribution-note"), `The totals are not to be had: ${e.message}`);
      }
    }
    timer = setTimeout(refresh, EVERY);
  }

  document.addEventListener("visibilitychange", refresh);
  return { refresh };
}

function render(report) {
  const arms = report.arms ?? [];
  const sources = report.sources ?? [];
  show($("attribution-empty"), arms.length === 0);
  if (report.enabled === false) setText($("attribution-empty"), "Answers are not logged: attribution.enabled is false, the default.");
  show($("attribution-body"), arms.length > 0);
  $("attribution-arms").replaceChildren(...arms.map((a) => armRow(a, report.experiment ?? [])));
  $("attribution-sources").replaceChildren(...sources.map(sourceRow));
  setText($("attribution-note"), note(report.experiment ?? []));
}

function armRow(a, experiment) {
  const info = experiment.find((e) => e.name === a.arm && e.shadow === a.shadow);
  return h(`tr${a.shadow ? ".shadow" : ""}`, {},
    h("th", { scope: "row" }, a.arm, " ", a.shadow ? h("span.badge.other", {}, "shadow") : null, info?.degraded ? h("span.badge.other", { title: info.degraded }, "fallen back") : null),
    h("td", {}, h("code", {}, a.model_version || NONE)),
    h("td.num", {}, a.shadow ? NONE : count(a.answers)),
    a.shadow ? h("td.num", {}, NONE) : h("td.num", {}, ...share(a.ctr)),
    a.shadow ? h("td.num", {}, NONE) : h("td.num", {}, ...share(a.conversion)),
    h("td.num", {}, ...share(a.hr10)),
    h("td.num", {}, a.scored > 0 ? fixed(a.ndcg10, 3) : NONE));
}

function sourceRow(s) {
  const known = source(s.source);
  return h("tr", {},
    h("th", { scope: "row" }, h(`span.source.badge.${known.kind}`, {}, known.name)),
    h("td", {}, s.arm),
    h("td", {}, h("code", {}, s.model_version || NONE)),
    h("td.num", {}, count(s.shown)),
    h("td.num", {}, ...share(s.ctr)),
    h("td.num", {}, ...share(s.conversion)));
}

/** share: a rate with its 95 % interval. */
function share(s) {
  if (!s || !(s.of > 0)) return [NONE];
  return [percent(s.rate), " ", h("span.range", {}, `${percent(s.low)} to ${percent(s.high)}`)];
}

function note(experiment) {
  const parts = experiment.filter((e) => !e.shadow).map((e) => `${e.name} ${percent(e.share, 0)}`);
  const fallen = experiment.filter((e) => e.degraded).map((e) => e.degraded);
  const text = ["Intervals are of 95 % (Wilson) and take answers as independent: too narrow where users have many"];
  if (parts.length > 0) text.push(`users by arm: ${parts.join(", ")}`);
  return [text.join("; "), ...fallen].join(". ");
}
