// Numbers, times and names as people read them.

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const DAY = 24 * 3600 * 1000;

const known = (x) => typeof x === "number" && Number.isFinite(x);

/** NONE stands where a figure is not known. */
export const NONE = "–";

/** count: 12345 -> "12,345". */
export const count = (x) => (known(x) ? whole.format(x) : NONE);

/** compact: 12345 -> "12.3K". */
export const compact = (x) => (known(x) ? short.format(x) : NONE);

/** fixed: a number with d digits after the point, with a true minus sign. */
export const fixed = (x, d = 2) => (known(x) ? x.toFixed(d).replace("-", "\u2212") : NONE);

/** percent: 0.213 -> "21.3 %". */
export const percent = (x, d = 1) => (known(x) ? `${(100 * x).toFixed(d)}\u00a0%` : NONE);

/** rate: events a second, with a digit after the point only where it tells something. */
export const rate = (x) => (known(x) && x > 0 && x < 10 ? x.toFixed(1) : count(x));

/** millis: 1.34 -> "1.3 ms". */
export const millis = (x) => (known(x) ? `${x < 10 ? x.toFixed(1) : whole.format(x)}\u00a0ms` : NONE);

/** span: seconds as the largest unit that fits. */
export function span(seconds) {
  if (!known(seconds)) return NONE;
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)}\u00a0s`;
  if (s < 90) return `${Math.round(s)}\u00a0s`;
  if (s < 5400) return `${Math.round(s / 60)}\u00a0min`;
  if (s < 129600) return `${Math.round(s / 3600)}\u00a0h`;
  return `${Math.round(s / 86400)}\u00a0d`;
}

/** bytes: 1536 -> "1.5 KB". */
export function bytes(n) {
  if (!known(n)) return NONE;
  const units = ["B", "KB", "MB", "GB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${n.toFixed(i === 0 || n >= 100 ? 0 : 1)}\u00a0${units[i]}`;
}

/** when: the clock for today's instants, day and minute for others (a replayed log lies years back). */
export function when(text, now = Date.now()) {
  const t = Date.parse(text);
  if (Number.isNaN(t)) return NONE;
  return Math.abs(now - t) < DAY ? clockTime.format(t) : dayTime.format(t).replace(",", "");
}

/** nameOf: an item's title, or its id where no title is known. */
export const nameOf = (title, id) => title?.trim() || id || NONE;

/** shouts tells whether a title is all capitals; such titles are set in calmer letters by the style sheet. */
export const shouts = (text) => /\p{Lu}{2}/u.test(text) && !/\p{Ll}/u.test(text);
