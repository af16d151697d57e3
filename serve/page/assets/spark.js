// A sparkline: the shape of a few values beside a number, without axes. It says nothing the number does not, so it is hidden
// from screen readers.

import { svg } from "./dom.js";
import { linear } from "./scale.js";

/** spark draws values (oldest first) into an SVG of the given size; the range is from 0 to at least top, dots marks every value. */
export function spark(values, { width, height, kind = "", top = 0, dots = false } = {}) {
  const el = svg(`svg.spark${kind ? "." + kind : ""}`, { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true", focusable: "false" });
  if (values.length === 0) return el;
  const high = Math.max(top, ...values) || 1;
  const px = linear(0, Math.max(1, values.length - 1), 3, width - 3);
  const py = linear(0, high, height - 3, 3);
  const at = values.map((v, i) => [px(i), py(v)]);
  const path = at.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  if (!dots) el.append(svg("path.area", { d: `${path}L${at.at(-1)[0].toFixed(1)} ${height}L${at[0][0].toFixed(1)} ${height}Z` }));
  el.append(svg("path.line", { d: path, fill: "none" }));
  for (const [x, y] of dots ? at : at.slice(-1)) el.append(svg("circle.point", { cx: x.toFixed(1), cy: y.toFixed(1), r: dots ? 1.8 : 2.4 }));
  return el;
}
