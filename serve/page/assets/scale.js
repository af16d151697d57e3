// Axis arithmetic: extents, round ticks, and a linear scale.

/** extent of the finite values, or null when there is none. */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const v of values) {
    if (!Number.isFinite(v)) continue;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low <= high ? [low, high] : null;
}

/** step is the 1, 2 or 5 times a power of ten that cuts span into about n parts. */
export function step(span, n) {
  const raw = span / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(raw));
  const f = raw / power;
  return power * (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10);
}

/** ticks are the round values inside [low, high], about n of them; whole keeps them integers. */
export function ticks(low, high, n, whole = false) {
  if (!(high > low)) return [low];
  let s = step(high - low, n);
  if (whole) s = Math.max(1, Math.round(s));
  const out = [];
  for (let i = Math.ceil(low / s - 1e-9); i * s <= high + s * 1e-9; i++) out.push(Number((i * s).toPrecision(12)));
  return out;
}

/** widen rounds [low, high] outwards to ticks, so that the topmost line has a label. */
export function widen([low, high], n) {
  if (!(high > low)) {
    const pad = Math.abs(low) * 0.1 || 1;
    [low, high] = [low - pad, high + pad];
  }
  const s = step(high - low, n);
  return [Math.floor(low / s + 1e-9) * s, Math.ceil(high / s - 1e-9) * s];
}

/** linear maps [from, to] to [a, b]. */
export const linear = (from, to, a, b) => (v) => (to === from ? (a + b) / 2 : a + ((v - from) / (to - from)) * (b - a));

/** spread moves positions apart until neighbours are gap apart, within [low, high], and keeps their order. */
export function spread(positions, gap, low, high) {
  const order = positions.map((p, i) => [p, i]).sort((a, b) => a[0] - b[0]);
  for (let k = 0; k < order.length; k++) {
    order[k][0] = Math.max(order[k][0], k === 0 ? low : order[k - 1][0] + gap);
  }
  for (let k = order.length - 1; k >= 0; k--) {
    order[k][0] = Math.min(order[k][0], k === order.length - 1 ? high : order[k + 1][0] - gap);
  }
  const out = [];
  for (const [p, i] of order) out[i] = p;
  return out;
}
