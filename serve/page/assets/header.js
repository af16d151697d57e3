// The header: is the line alive, which model answers, and what is missing.

import { $, setText, show } from "./dom.js";
import { count, millis, percent, rate, span } from "./format.js";

const STATES = { connecting: "connecting", live: "live", lost: "disconnected, trying again" };

/** connection shows the state of the line. */
export function connection(state) {
  const pill = $("connection");
  pill.dataset.state = state;
  setText(pill, STATES[state]);
}

/** followFocus keeps the link that has the focus in sight where the row of links is wider than the screen. */
export function followFocus() {
  const nav = document.querySelector("nav");
  nav.addEventListener("focusin", ({ target: a }) => {
    nav.scrollLeft = a.offsetLeft - nav.offsetLeft - (nav.clientWidth - a.offsetWidth) / 2;
  });
}

/** stats shows the live model, what is degraded, and this server's own figures. */
export function stats(s) {
  const m = s.model;
  setText($("live-model"), m?.version ? `${m.version} · ${span(m.age_seconds)} old` : "no model yet");
  setText($("degraded"), s.degraded ? `Degraded: ${s.degraded}` : "");
  show($("degraded"), Boolean(s.degraded));
  setText($("serving"), serving(s));
}

function serving({ serve = {}, catalogue }) {
  const hits = serve.cache_hits + serve.cache_misses > 0 ? `${percent(serve.cache_hits / (serve.cache_hits + serve.cache_misses), 0)} from cache` : "";
  return [
    `This server: ${count(serve.requests)} requests`,
    `${rate(serve.rate)} a second`,
    `p50 ${millis(serve.p50_ms)}`,
    `p99 ${millis(serve.p99_ms)}`,
    `${count(serve.failed)} failed`,
    hits,
    `${count(serve.swaps)} model swaps`,
    catalogue ? `${count(catalogue.items)} items` : "",
  ].filter(Boolean).join(" · ");
}
