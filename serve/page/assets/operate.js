// What an operator does: the admin key, and the records that were set aside.

import { deadLetters, replayLetter } from "./api.js";
import { bytesAsText } from "./bytes.js";
import { $, h, reconcile, setText, show } from "./dom.js";
import { bytes, count, when } from "./format.js";
import { hasAdminKey, key, setAdminKey } from "./key.js";

const lookEvery = 10_000; // ms between two readings that nobody asked for: each one reads whole records from Kafka

/** createOperate drives section #operate. onKey() is called when the admin key changes. */
export function createOperate(onKey) {
  const sent = new Map(); // what was sent again in this tab, by letter
  let letters = [];
  let known; // dead letters that ingest had counted when they were read; undefined before the first stats
  let asked = -lookEvery; // when they were read
  let busy = false;

  const say = (text, bad = false) => {
    setText($("operate-note"), text);
    $("operate-note").classList.toggle("bad-note", bad);
  };

  // look reads the newest letters. Without a key of its own it only asks a server that asks for none.
  async function look() {
    if (busy) return;
    busy = true;
    asked = performance.now();
    try {
      letters = (await deadLetters()).letters ?? [];
      say(letters.length > 0 ? `The newest ${count(letters.length)} dead letters.` : "");
      render();
      show($("letters-empty"), letters.length === 0);
    } catch (e) {
      say(e.status === 401 || e.status === 403 ? `An admin key is needed: ${e.message}` : `The dead letters are not to be had: ${e.message}`, true);
    }
    busy = false;
  }

  function render() {
    reconcile($("letters"), letters, nameOf, (l) => row(l, again), (el, l) => fill(el, l, sent.get(nameOf(l))));
  }

  async function again(l) {
    if (sent.get(nameOf(l)) === "sending") return;
    sent.set(nameOf(l), "sending");
    render();
    try {
      const done = await replayLetter(l);
      sent.set(nameOf(l), `Sent again to ${done.topic}.`);
      say(`The record of dead letter ${nameOf(l)} was sent again to ${done.topic}.`);
    } catch (e) {
      sent.delete(nameOf(l));
      say(`Not sent: ${e.message}`, true);
    }
    render();
  }

  function keyChanged() {
    show($("admin-forget"), hasAdminKey());
    $("admin-key").value = "";
    $("admin-key").placeholder = hasAdminKey() ? "in use in this tab" : "";
  }

  $("admin-form").addEventListener("submit", (e) => {
    e.preventDefault();
    const entered = $("admin-key").value.trim();
    if (entered) setAdminKey(entered);
    keyChanged();
    onKey();
    look();
  });
  $("admin-forget").addEventListener("click", () => {
    setAdminKey("");
    keyChanged();
    letters = [];
    render();
    say("The admin key is forgotten.");
    $("admin-key").focus();
  });
  $("letters-again").addEventListener("click", look);
  keyChanged();

  return {
    stats({ ingest }) {
      const mayAsk = hasAdminKey() || key() === "";
      if (!mayAsk && known === undefined) say("Enter an admin key to see the dead letters and to roll back.");
      if (mayAsk && known !== ingest.dead_letters) {
        if (busy || performance.now() - asked < lookEvery) return; // one of the next stats asks
        look();
      }
      known = ingest.dead_letters;
    },
  };
}

const nameOf = (l) => `${l.partition}/${l.offset}`;

function row(l, again) {
  return h("li", { "data-letter": nameOf(l) },
    h("div", {}, h("p.reason", {}, l.reason || "no reason given"), h("p.fine", {}, where(l))),
    h("button.button.small", { type: "button", click: () => again(l) }),
    h("pre", { tabindex: "0", role: "group", "aria-label": `Bytes of dead letter ${nameOf(l)}` }, shown(l)));
}

function fill(el, l, state) {
  const button = el.children[1];
  const done = state !== undefined && state !== "sending";
  button.disabled = !l.replayable;
  button.setAttribute("aria-disabled", String(state === "sending")); // a disabled button would lose the focus
  setText(button, state === "sending" ? "Sending…" : done ? "Send once more" : l.replayable ? "Send again" : "Cannot be sent");
  button.setAttribute("aria-label", `${button.textContent}: dead letter ${nameOf(l)}`);
  if (done && !el.querySelector(".done")) el.firstElementChild.append(h("p.done"));
  if (done) setText(el.querySelector(".done"), state);
}

function where(l) {
  const from = l.from_offset >= 0 ? `${l.topic}, partition ${l.from_partition}, offset ${l.from_offset}` : l.topic || "from an unknown topic";
  return `${from} · set aside ${when(l.at)} · ${bytes(l.value_bytes)}${l.key_bytes > 0 ? ` · key ${bytesAsText(l.key)}` : ""}`;
}

function shown(l) {
  if (l.value_bytes === 0) return "(no value)";
  const text = bytesAsText(l.value);
  const left = l.value_bytes - atob(l.value).length;
  return left > 0 ? `${text} … and ${bytes(left)} more` : text;
}
