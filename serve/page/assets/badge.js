// The badge of a round's verdict.

import { h } from "./dom.js";

const KNOWN = ["promoted", "refused", "failed"];

/** badge of a verdict; a verdict this page does not know is shown as it is. */
export const badge = (verdict) => h(`span.badge.${KNOWN.includes(verdict) ? verdict : "other"}`, {}, verdict || "running");
