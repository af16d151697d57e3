// The stream: how fast events come, how far behind ingest is, and the newest of them.

import { $, h, reconcile, setText, show } from "./dom.js";
import { count, nameOf, rate, shouts, when } from "./format.js";
import { spark } from "./spark.js";

const HISTORY = 60; // samples of the sparklines, one a second
const KEPT = 40;
const SHOWN = 10;
const PARTITIONS = 8; // shown of very many

/** createStream drives section #stream. onUser(id) is called when a user in the list is chosen. */
export function createStream(onUser) {
  const rates = [];
  const lags = [];
  const list = $("stream-events");
  let newest = [];
  let waiting = 0;
  let paused = false; // by the button
  let holding = false; // while the pointer or the focus is on the list: rows must not run away from under a click

  function render() {
    if (paused || holding) return caption();
    waiting = 0;
    reconcile(list, newest.slice(0, SHOWN), keyOf, row, (el, e, fresh) => el.classList.toggle("fresh", fresh));
    show($("stream-empty"), newest.length === 0);
    show(list, newest.length > 0);
    caption();
  }

  function caption() {
    const button = $("stream-pause");
    button.setAttribute("aria-pressed", String(paused));
    const held = holding && waiting > 0;
    setText(button, `${paused ? "Resume" : held ? "Held" : "Pause"}${waiting > 0 ? ` (${count(waiting)} new)` : ""}`);
  }

  function row(e) {
    const title = nameOf(e.title, e.item_id);
    return h("li.event", {},
      h("span.event-title", { title }, h(`span${shouts(title) ? ".calm" : ""}`, {}, title)),
      h("span.event-meta", {},
        h("button.link", { type: "button", title: `Be user ${e.user_id}`, click: () => onUser(e.user_id) }, e.user_id),
        h("span.event-type", {}, e.type || "view"),
        h("time", { datetime: e.timestamp }, when(e.timestamp))));
  }

  const hold = (on) => () => {
    holding = on;
    render();
  };
  list.addEventListener("pointerenter", (e) => { if (e.pointerType === "mouse") hold(true)(); });
  list.addEventListener("pointerleave", hold(false));
  list.addEventListener("focusin", hold(true));
  list.addEventListener("focusout", hold(false));
  $("stream-pause").addEventListener("click", () => {
    paused = !paused;
    render();
  });

  function stats({ ingest }) {
    push(rates, ingest.rate);
    push(lags, ingest.lag);
    setText($("rate"), rate(ingest.rate));
    setText($("lag"), count(ingest.lag));
    draw("rate-spark", rates, "model");
    draw("lag-spark", lags, "similar", 10);
    setText($("stream-totals"), totals(ingest));
    partitions(ingest.instances ?? []);
  }

  function events(frame, first) {
    const seen = new Set(first ? [] : newest.map(keyOf));
    const fresh = frame.filter((e) => !seen.has(keyOf(e))).reverse();
    newest = (first ? fresh : fresh.concat(newest)).slice(0, KEPT);
    waiting += fresh.length;
    render();
  }

  return { stats, events };
}

// partitions shows how far behind each partition is, the worst first where there are many.
function partitions(instances) {
  const all = instances.flatMap((i) => i.partitions ?? []).sort((a, b) => a.partition - b.partition);
  const shown = all.length > PARTITIONS ? [...all].sort((a, b) => b.lag - a.lag).slice(0, PARTITIONS) : all;
  const most = Math.max(10, ...all.map((p) => p.lag));
  show($("partitions-box"), all.length > 0);
  setText($("partitions-title"), all.length > shown.length ? `Records behind, the ${count(shown.length)} slowest of ${count(all.length)} partitions` : "Records behind, by partition");
  reconcile($("partitions"), shown, (p) => p.partition, (p) => h("li", {}, h("span", {}, `p${p.partition}`), h("span.bar", { "aria-hidden": "true" }, h("i.similar")), h("span.lag")),
    (el, p) => {
      el.children[1].firstElementChild.style.width = `${((100 * p.lag) / most).toFixed(1)}%`;
      setText(el.children[2], count(p.lag));
    });
}

const keyOf = (e) => `${e.partition}:${e.offset}`;

function push(values, v) {
  values.push(v ?? 0);
  if (values.length > HISTORY) values.shift();
}

function draw(id, values, kind, top) {
  const host = $(id);
  const width = Math.floor(host.clientWidth);
  if (width > 20) host.replaceChildren(spark(values, { width, height: 36, kind, top }));
}

function totals(i) {
  const extra = [[i.duplicates, "duplicates skipped"], [i.late, "too late"], [i.dead_letters, "dead letters"]];
  return [`${count(i.events)} applied`, ...extra.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`),
    i.instances?.length > 1 ? `${i.instances.length} instances` : ""].filter(Boolean).join(" · ");
}
