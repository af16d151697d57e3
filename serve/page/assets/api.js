// The calls to the server. Every failure is an ApiError whose message can be shown to a person.

import { adminHeaders, headers, refused } from "./key.js";

const TIMEOUT = 10000; // ms

/** ApiError is a refused or failed call. status is 0 when no answer came. */
export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** problemText reads an RFC 9457 problem document as one sentence. */
function problemText(problem, status) {
  const faults = (problem?.errors ?? []).map((e) => [e.location, e.message].filter(Boolean).join(": "));
  const text = [problem?.detail || problem?.title, faults.join("; ")].filter(Boolean).join(": ");
  return text || `the server answered ${status}`;
}

async function call(path, { admin = false, ...options } = {}) {
  const mine = admin ? adminHeaders() : headers();
  let response;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT), ...options, headers: { ...options.headers, ...mine } });
  } catch {
    throw new ApiError("the server cannot be reached");
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    if (response.ok) throw new ApiError("the answer is not JSON", response.status);
  }
  if (!admin && (response.status === 401 || response.status === 403)) refused(problemText(body, response.status));
  if (!response.ok) throw new ApiError(problemText(body, response.status), response.status);
  return body;
}

const part = encodeURIComponent;

/** users: those active of late, newest first. */
export const users = (sample = 30) => call(`v1/users?sample=${sample}`);

/** userWindow: one user's window, oldest entry first. */
export const userWindow = (id) => call(`v1/users/${part(id)}`);

/** models: the versions kept, and which of them is live. */
export const models = () => call("v1/models");

/** rollBack makes the model live that was so before from, if from still is. */
export const rollBack = (from) => command("v1/models/rollback", { from });

/** deadLetters: the newest records that were set aside. */
export const deadLetters = (limit = 20) => call(`v1/deadletters?limit=${limit}`, { admin: true });

/** replayLetter sends the record of one dead letter again to where it came from. */
export const replayLetter = ({ partition, offset }) => command("v1/deadletters/replay", { partition, offset });

const command = (path, body) => call(path, { admin: true, method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
/** attribution: what became of the answers, by arm, model version and source. */
export const attribution = () => call("v1/attribution");

/** searchItems: the catalogue's best matches, or its newest items for an empty query. */
export function searchItems(query, limit = 20) {
  const q = new URLSearchParams({ limit });
  if (query) q.set("query", query);
  return call(`v1/items?${q}`);
}

/** recommend: the list for a user, with the parts of every score. log: somebody acts as that user, so it is an impression and no look. */
export function recommend(user, { n = 10, filterSeen = false, log = false } = {}) {
  const q = new URLSearchParams({ n, explain: true, filter_seen: filterSeen, log });
  return call(`v1/recommend/${part(user)}?${q}`);
}

/**
 * recommendAfter asks again until the answer stems from a later window than before, or limit ms have passed; then null. The polls are
 * no impressions; the list that is then shown is.
 */
export async function recommendAfter(user, before, options, limit = 2000, pause = 12) {
  const end = performance.now() + limit;
  for (;;) {
    const answer = await recommend(user, { ...options, log: false });
    if (answer.window_offset > before) return recommend(user, { ...options, log: true });
    if (performance.now() > end) return null;
    await new Promise((done) => setTimeout(done, pause));
  }
}

let ahead = 0; // ms that the server's clock is ahead of this computer's

/**
 * setClock tells what time it is for the server. A click carries its time: the clock of a computer may be wrong, and a demo lives
 * in the time of the log that it replays.
 */
export function setClock(text) {
  const t = Date.parse(text);
  if (!Number.isNaN(t)) ahead = t - Date.now();
}

/** sendEvent posts one interaction; it resolves once the event is on the topic. */
export function sendEvent(event) {
  const body = JSON.stringify({ ...event, timestamp: new Date(Date.now() + ahead).toISOString(), event_id: uuid() });
  return call("v1/events", { method: "POST", headers: { "Content-Type": "application/json" }, body });
}

/** uuid: a random version-4 UUID. crypto.randomUUID is missing on plain-http pages, getRandomValues is not. */
export function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
