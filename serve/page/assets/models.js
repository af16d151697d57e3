// Model versions: those kept as snapshots, and the rounds whose candidate never became one.

import { models as fetchModels, rollBack } from "./api.js";
import { badge } from "./badge.js";
import { $, h, setText, show } from "./dom.js";
import { bytes, count, percent, when } from "./format.js";

/** createModels drives section #models. rounds() gives the known rounds. */
export function createModels(rounds) {
  let state = { manifests: [], history: [] };
  let running = false;
  let again = false;
  let rolling = false;

  // refresh asks the server; calls while one is under way become one more call after it.
  async function refresh() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      state = await fetchModels();
      render();
    } catch (e) {
      setText($("models-note"), `The list of versions is not to be had: ${e.message}`);
    }
    running = false;
    if (again) {
      again = false;
      refresh();
    }
  }

  function render() {
    const manifests = state.manifests ?? [];
    const refused = rounds().filter((r) => r.verdict !== "promoted" && !manifests.some((m) => m.round === r.round));
    const lines = [...manifests.map((m) => ({ round: m.round, row: version(m, state, rounds()) })), ...refused.map((r) => ({ round: r.round, row: rejected(r) }))]
      .sort((a, b) => b.round - a.round);
    $("models-list").replaceChildren(...lines.map((l) => l.row));
    show($("models-empty"), lines.length === 0);
    show($("models-scroll"), lines.length > 0);
    setText($("models-note"), note(state));
    offer();
  }

  // offer shows what one click would go back to.
  function offer() {
    const before = (state.history ?? []).find((v) => v !== state.current);
    show($("rollback"), Boolean(state.current && before));
    if (before) setText($("rollback"), `Roll back to ${before}`);
  }

  async function back() {
    if (rolling) return;
    rolling = true;
    const from = state.current;
    try {
      const done = await rollBack(from);
      setText($("rollback-note"), `Rolled back from ${done.before} to ${done.live}.`);
    } catch (e) {
      const key = e.status === 401 || e.status === 403;
      setText($("rollback-note"), key ? `Not rolled back: ${e.message}. Enter an admin key under Operate.` : `Not rolled back: ${e.message}`);
      if (key) $("admin-key").focus();
    }
    rolling = false;
    refresh();
  }

  $("rollback").addEventListener("click", back);

  return { refresh, render };
}

function version(m, { current, history }, rounds) {
  const verdict = rounds.find((r) => r.round === m.round)?.verdict;
  const live = m.version === current;
  const state = live ? h("span.badge.live", {}, "live") : h("span.badge.other", {}, history?.includes(m.version) ? "was live" : "kept");
  return h(`tr${live ? ".current" : ""}`, {},
    h("th", { scope: "row" }, h("code", {}, m.version)),
    h("td", {}, state),
    h("td", {}, verdict ? badge(verdict) : "–"),
    h("td.num", {}, count(m.round)),
    h("td", {}, [m.learner, m.backend].filter(Boolean).join(" on ")),
    h("td.num", {}, percent(m.metrics?.hr10)),
    h("td", {}, when(m.created_at)),
    h("td.num", {}, bytes((m.files ?? []).reduce((sum, f) => sum + f.bytes, 0))),
    h("td", {}, h("code.fine", { title: m.hash }, (m.hash ?? "").slice(0, 12))));
}

function rejected(r) {
  return h("tr.rejected", {},
    h("th", { scope: "row" }, "not published"),
    h("td", {}, "–"),
    h("td", {}, badge(r.verdict)),
    h("td.num", {}, count(r.round)),
    h("td", {}, r.learner ?? ""),
    h("td.num", {}, r.candidate?.count > 0 ? percent(r.candidate.hr10) : "–"),
    h("td", {}, when(r.started)),
    h("td"), h("td"));
}

function note(s) {
  if (s.degraded) return `Degraded: ${s.degraded}`;
  if (s.loaded && s.current && s.loaded !== s.current) return `This server still answers with ${s.loaded}; it is about to take up ${s.current}.`;
  return "";
}
