// Building and updating elements. Text from data only ever becomes a text node, so a title such as "<img onerror=...>" is shown, not run.

const SVG = "http://www.w3.org/2000/svg";

/** $ finds an element of index.html by id. */
export const $ = (id) => document.getElementById(id);

/** h builds an HTML element: h("li.row.new", {title: "..."}, "text", child). Properties that are functions become listeners. */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const el = document.createElement(tag);
  if (classes.length > 0) el.className = classes.join(" ");
  return fill(el, props, children);
}

/** svg builds an SVG element the same way. */
export function svg(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const el = document.createElementNS(SVG, tag);
  if (classes.length > 0) el.setAttribute("class", classes.join(" "));
  return fill(el, props, children);
}

function fill(el, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") el.addEventListener(name, value);
    else el.setAttribute(name, value === true ? "" : value);
  }
  el.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return el;
}

/** setText changes an element's text only when it differs: selections and screen readers are left in peace. */
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/** show hides or shows an element. */
export function show(el, visible) {
  el.hidden = !visible;
}

const keyed = new WeakMap();

/**
 * reconcile makes parent's children match list, in order. Elements are kept by key, so focus, hover and running transitions
 * survive an update. make(value) builds an element, update(el, value, fresh) sets what may change.
 */
export function reconcile(parent, list, key, make, update = () => {}) {
  const old = keyed.get(parent) ?? new Map();
  const now = new Map();
  let at = parent.firstElementChild;
  for (const value of list) {
    const k = key(value);
    if (now.has(k)) continue;
    const known = old.get(k);
    const el = known ?? make(value);
    update(el, value, !known);
    now.set(k, el);
    if (el === at) at = at.nextElementSibling;
    else parent.insertBefore(el, at);
  }
  for (const [k, el] of old) if (!now.has(k)) el.remove();
  keyed.set(parent, now);
}
