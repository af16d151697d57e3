// A small line chart in SVG: drawn at the element's real size (crisp at any width), lines labelled at their end instead of in a
// legend, values on hover, touch and arrow keys. Colours come from the style sheet by the series' class.

import { h, svg } from "./dom.js";
import { extent, linear, spread, ticks, widen } from "./scale.js";

const TOP = 12;
const BOTTOM = 34;
const LABEL_GAP = 15;

/**
 * LineChart draws into host. options: title (spoken), height in px, x and y {label, format, exact, whole, min, max}:
 * format(value, digits) for ticks, exact(value) for the readout.
 * update takes series [{name, kind, points: [[x, y], ...], dots}] and marks for reference lines: [{x, label, low}] upright, labelled at the top or low down, and [{y, label, right, below}] level.
 */
export class LineChart {
  #host;
  #options;
  #data = { series: [], marks: [] };
  #geometry = null;
  #at = -1;

  constructor(host, options) {
    this.#host = host;
    this.#options = options;
    this.svg = svg("svg.chart", { role: "img", tabindex: "0", "aria-label": options.title });
    this.readout = h("div.readout", { hidden: true, "aria-live": "polite" });
    host.classList.add("chart-host");
    host.replaceChildren(this.svg, this.readout);
    this.svg.addEventListener("pointermove", (e) => this.#point(e));
    this.svg.addEventListener("pointerdown", (e) => this.#point(e));
    this.svg.addEventListener("pointerleave", (e) => { if (e.pointerType === "mouse") this.#leave(); }); // a lifted finger should leave the values readable
    this.svg.addEventListener("blur", () => this.#leave());
    this.svg.addEventListener("keydown", (e) => this.#key(e));
    new ResizeObserver(() => this.#draw()).observe(host);
  }

  /** update replaces the data and redraws. */
  update(data) {
    this.#data = { marks: [], ...data };
    this.#draw();
  }

  #draw() {
    const width = Math.floor(this.#host.clientWidth);
    if (width < 40) return; // not laid out yet; the observer calls again
    const { series, marks } = this.#data;
    const xs = [...new Set(series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
    const height = this.#options.height;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", height);
    this.svg.replaceChildren();
    if (xs.length === 0) {
      this.#geometry = null;
      return this.#leave();
    }
    const g = this.#measure(width, height, xs, series, marks);
    this.#geometry = g;
    this.svg.append(this.#axes(g), ...marks.map((m) => this.#mark(m, g)), ...series.map((s) => line(s, g)), ...endLabels(series, g));
    this.cursor = svg("g.cursor");
    this.svg.append(this.cursor);
    this.svg.setAttribute("aria-label", `${this.#options.title}. ${series.map((s) => this.#summary(s)).join(", ")}`);
    if (this.#at >= 0) this.#select(Math.min(this.#at, xs.length - 1));
  }

  #measure(width, height, xs, series, marks) {
    const { x, y } = this.#options;
    const wanted = height < 200 ? 3 : 5;
    const found = extent([...series.flatMap((s) => s.points.map((p) => p[1])), ...marks.map((m) => m.y)]) ?? [0, 1];
    const [low, high] = widen([y.min ?? found[0], y.max ?? found[1]], wanted);
    const yTicks = ticks(low, high, wanted);
    const digits = yTicks.length > 1 ? Math.max(0, -Math.floor(Math.log10(yTicks[1] - yTicks[0]) + 1e-9)) : 2;
    const yTexts = yTicks.map((t) => y.format(t, digits));
    const left = 10 + Math.max(...yTexts.map((t) => this.#textWidth(t)));
    const right = 14 + Math.max(0, ...series.map((s) => (s.name ? this.#textWidth(s.name) : 0)));
    const x0 = left;
    const x1 = Math.max(left + 20, width - right);
    const y1 = height - BOTTOM;
    const xTicks = ticks(xs[0], xs.at(-1), Math.max(2, Math.floor((x1 - x0) / 76)), x.whole);
    return { x0, x1, y0: TOP, y1, xs, xTicks, yTicks, yTexts, px: linear(xs[0], xs.at(-1), x0 + 4, x1 - 4), py: linear(low, high, y1, TOP) };
  }

  #textWidth(text) {
    const probe = svg("text.tick", {}, text);
    this.svg.append(probe);
    const w = probe.getComputedTextLength();
    probe.remove();
    return w;
  }

  #axes({ x0, x1, y1, xTicks, yTicks, yTexts, px, py }) {
    const { x } = this.#options;
    const g = svg("g");
    for (const [i, t] of yTicks.entries()) {
      const at = Math.round(py(t)) + 0.5;
      g.append(svg("line.grid", { x1: x0, x2: x1, y1: at, y2: at }), svg("text.tick", { x: x0 - 6, y: at + 4, "text-anchor": "end" }, yTexts[i]));
    }
    const base = Math.round(y1) + 0.5;
    g.append(svg("line.axis", { x1: x0, x2: x1, y1: base, y2: base }));
    for (const t of xTicks) {
      const at = Math.round(px(t)) + 0.5;
      g.append(svg("line.axis", { x1: at, x2: at, y1: base, y2: base + 4 }), svg("text.tick", { x: at, y: base + 16, "text-anchor": "middle" }, x.format(t)));
    }
    g.append(svg("text.axis-label", { x: (x0 + x1) / 2, y: base + 31, "text-anchor": "middle" }, x.label));
    return g;
  }

  #mark(m, { x0, x1, y0, y1, px, py }) {
    if (m.x !== undefined) {
      const at = Math.round(px(m.x)) + 0.5;
      const late = at > (x0 + x1) / 2;
      return svg("g.mark", {}, svg("line", { x1: at, x2: at, y1: y0, y2: y1 }),
        svg("text.tick", { x: at + (late ? -5 : 5), y: m.low ? y1 - 6 : y0 + 9, "text-anchor": late ? "end" : "start" }, m.label));
    }
    const at = Math.round(py(m.y)) + 0.5;
    return svg("g.mark", {}, svg("line", { x1: x0, x2: x1, y1: at, y2: at }),
      svg("text.tick", { x: m.right ? x1 - 2 : x0 + 4, y: at + (m.below ? 13 : -5), "text-anchor": m.right ? "end" : "start" }, m.label));
  }

  #summary(s) {
    const last = s.points.findLast((p) => Number.isFinite(p[1]));
    return last ? `${s.spoken ?? s.name} ${this.#exact(this.#options.y, last[1])} at ${this.#options.x.label} ${this.#exact(this.#options.x, last[0])}` : `${s.name} none`;
  }

  #exact = (axis, v) => (axis.exact ?? axis.format)(v);

  #point(event) {
    if (!this.#geometry) return;
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const { xs, px } = this.#geometry;
    let best = 0;
    for (let i = 1; i < xs.length; i++) if (Math.abs(px(xs[i]) - x) < Math.abs(px(xs[best]) - x)) best = i;
    this.#select(best);
  }

  #key(event) {
    if (!this.#geometry) return;
    const last = this.#geometry.xs.length - 1;
    const moves = { ArrowLeft: Math.max(0, (this.#at < 0 ? last + 1 : this.#at) - 1), ArrowRight: Math.min(last, this.#at + 1), Home: 0, End: last };
    if (event.key === "Escape") return this.#leave();
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.#select(moves[event.key]);
  }

  #select(i) {
    this.#at = i;
    const { xs, px, py, y0, y1 } = this.#geometry;
    const x = xs[i];
    const at = Math.round(px(x)) + 0.5;
    this.cursor.replaceChildren(svg("line", { x1: at, x2: at, y1: y0, y2: y1 }));
    const rows = [];
    for (const s of this.#data.series) {
      const p = s.points.find((q) => q[0] === x);
      if (!p || !Number.isFinite(p[1])) continue;
      this.cursor.append(svg(`circle.dot.${s.kind}`, { cx: at, cy: py(p[1]), r: 3.5 }));
      rows.push(h(`div.${s.kind}`, {}, h("i.key"), h("span", {}, s.spoken ?? s.name), h("b", {}, this.#exact(this.#options.y, p[1]))));
    }
    this.readout.replaceChildren(h("div.readout-head", {}, `${this.#options.x.label} ${this.#exact(this.#options.x, x)}`), ...rows);
    this.readout.hidden = false;
    const room = this.#host.clientWidth - this.readout.offsetWidth;
    const side = at > this.#host.clientWidth / 2 ? at - this.readout.offsetWidth - 10 : at + 10;
    this.readout.style.left = `${Math.max(0, Math.min(room, side))}px`;
  }

  #leave() {
    this.#at = -1;
    this.cursor?.replaceChildren();
    this.readout.hidden = true;
  }
}

/** line draws one series; gaps stay gaps, a lone point becomes a dot. */
function line(s, { px, py }) {
  let path = "";
  let pen = false;
  const dots = [];
  for (const [x, y] of s.points) {
    if (!Number.isFinite(y)) {
      pen = false;
      continue;
    }
    path += `${pen ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
    pen = true;
    if (s.dots || s.points.length === 1) dots.push(svg("circle.point", { cx: px(x).toFixed(1), cy: py(y).toFixed(1), r: 3 }));
  }
  return svg(`g.series.${s.kind}`, { "data-series": s.kind }, svg("path", { d: path, fill: "none" }), ...dots);
}

/** endLabels writes each line's name at its last point, moved apart where they would touch. */
function endLabels(series, { px, py, y0, y1 }) {
  const ends = [];
  for (const s of series) {
    const last = s.points.findLast((p) => Number.isFinite(p[1]));
    if (s.name && last) ends.push({ s, x: px(last[0]), y: py(last[1]) });
  }
  const ys = spread(ends.map((e) => e.y), LABEL_GAP, y0 + 2, y1 - 2);
  return ends.map((e, i) => svg(`text.end-label.${e.s.kind}`, { x: e.x + 9, y: ys[i] + 4 }, e.s.name));
}
