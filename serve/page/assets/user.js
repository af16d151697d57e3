// Be a user: choose one, see the window and the list, click, and watch the list change.

import { recommend, recommendAfter, sendEvent, users, userWindow, uuid } from "./api.js";
import { changes, showAnswer } from "./answer.js";
import { $, h, setText, show } from "./dom.js";
import { count, millis } from "./format.js";
import { createSearch } from "./search.js";
import { showWindow } from "./window.js";

const ENOUGH = 3; // events a user should have to be shown first
const POLL = 10000; // ms between looks at who is active
const TIMES = 200; // click times kept for the median

/** createUser drives section #user. */
export function createUser() {
  let user = "";
  let answer = null;
  let logged = false; // the answer is an impression: a click on it can be credited
  let clicks = Promise.resolve(); // clicks run one after the other
  let refreshing = false;
  let recent = [];
  const times = [];
  const options = () => ({ filterSeen: $("user-unseen").checked });

  // choose shows a user. Whoever plays a new one acts as that user from the first list on; all others are looked at.
  async function choose(id, log = false) {
    user = id;
    answer = null;
    fillSelect();
    say("", "");
    await refresh(false, log);
  }

  // load brings window and list of the present user on the page; an answer for a user left in the meantime is dropped.
  async function load(mark, log) {
    const id = user;
    const [w, a] = await Promise.all([userWindow(id), recommend(id, { ...options(), log })]);
    if (id !== user) return;
    showWindow(w);
    if (mark && same(a, answer)) return; // the echo of a click here: what it changed stays marked
    const moved = mark && answer ? changes(a.items ?? [], answer.items ?? []) : null;
    answer = a;
    logged = log;
    showAnswer(a, moved, pick);
  }

  async function refresh(mark = false, log = false) {
    if (!user) return;
    try {
      await load(mark, log);
    } catch (e) {
      say("", `Not answered: ${e.message}`, true);
    }
  }

  function pick(item) {
    const started = performance.now();
    const id = user;
    clicks = clicks.then(() => (id === user ? click(item, started) : undefined)).catch((e) => say("", `Not sent: ${e.message}`, true));
  }

  async function click(item, started) {
    const id = user || (await choose(newName(), true), user);
    const before = answer?.window_offset ?? 0;
    const sent = await sendEvent({ user_id: id, item_id: item, type: $("user-type").value, recommendation_id: fromList(item) });
    if (sent.rejected?.length > 0) throw new Error(sent.rejected[0].reason ?? sent.rejected[0].message ?? "the event was rejected");
    const next = await recommendAfter(id, before, options());
    const took = performance.now() - started;
    if (id !== user) return;
    if (!next) {
      say("", "The event is on the topic, but the window did not show it within 2 s. Ingest may be behind.", true);
      return;
    }
    const moved = changes(next.items ?? [], answer?.items ?? []);
    answer = next;
    logged = true;
    showAnswer(next, moved, pick);
    times.push(took);
    if (times.length > TIMES) times.shift();
    say(millis(took), `${tally(moved)} ${median(times)}`);
    showWindow(await userWindow(id));
  }

  /** fromList is the id of the logged answer that showed the item, so that the click can be credited to it. */
  const fromList = (item) => (logged && answer?.items?.some((it) => it.id === item) ? answer.recommendation_id : undefined);

  function fillSelect() {
    const select = $("user-select");
    const known = recent.some((u) => u.user_id === user);
    const here = user && !known ? [h("option", { value: user }, user)] : [];
    select.replaceChildren(...here, ...recent.map((u) => h("option", { value: u.user_id }, `${u.user_id} (${count(u.events)} events)`)));
    if (!user) select.prepend(h("option", { value: "" }, "nobody is active yet"));
    select.value = user;
  }

  async function refreshUsers() {
    try {
      recent = (await users()).users ?? [];
    } catch {
      return; // the connection state and the banner already say that the server is away
    }
    fillSelect();
    if (!user && recent.length === 0) setText($("recommended-empty"), "Nobody is active yet. Press New user, or ask as one.");
    if (!user && recent.length > 0) await choose((recent.find((u) => u.events >= ENOUGH) ?? recent[0]).user_id);
  }

  // observe: a chosen user who is active in the stream gets a new list without a click here.
  async function observe(events) {
    if (!user && events.length > 0) await refreshUsers();
    if (refreshing || !events.some((e) => e.user_id === user)) return;
    refreshing = true;
    clicks = clicks.then(() => refresh(true));
    await clicks;
    refreshing = false;
  }

  // catchUp mends what a server that was away, or had no data yet, left unanswered.
  function catchUp() {
    if (document.activeElement !== $("user-select")) refreshUsers(); // an open menu must not change
    if (user && !answer) refresh();
    search.retry();
  }

  const search = createSearch(pick);
  $("user-select").addEventListener("change", (e) => choose(e.target.value));
  setInterval(catchUp, POLL);
  $("ask").addEventListener("submit", (e) => {
    e.preventDefault();
    const id = $("ask-user").value.trim();
    if (!id) return;
    $("ask-user").value = "";
    clicks = clicks.then(() => choose(id));
  });
  $("user-new").addEventListener("click", () => choose(newName(), true));
  $("user-unseen").addEventListener("change", () => refresh());
  show($("user-result"), false);

  return { catchUp, choose, observe, refresh };
}

const same = (a, b) => b !== null && a.window_offset === b.window_offset && a.model_version === b.model_version;

const newName = () => `guest-${uuid().slice(0, 8)}`;

function say(time, text, bad = false) {
  setText($("result-time"), time);
  setText($("result-text"), text);
  $("user-result").classList.toggle("bad", bad);
  show($("user-result"), Boolean(time || text));
}

function tally(moved) {
  const all = [...moved.values()];
  const fresh = all.filter((m) => m === "new").length;
  const shifted = all.filter((m) => m !== "new" && m !== 0).length;
  if (fresh + shifted === 0) return "from click to new answer. The list stayed the same.";
  return `from click to new answer: ${count(fresh)} new in the list, ${count(shifted)} moved.`;
}

function median(times) {
  if (times.length < 2) return "";
  const sorted = [...times].sort((a, b) => a - b);
  return `Median of ${count(times.length)} clicks: ${millis(sorted[Math.floor(sorted.length / 2)])}.`;
}
