// The badge of a round's verdict.

import { h } from "./dom.js";

// Verdicts by their colour class and word.
const KNOWN = {
  promoted: ["promoted", "promoted"],
  refused: ["refused", "refused"],
  failed: ["failed", "failed"],
  shadow: ["other", "in the shadow"],
  rolled_back: ["failed", "rolled back"],
};

/** badge of a verdict; a verdict this page does not know is shown as it is. */
export function badge(verdict) {
  const [kind, word] = KNOWN[verdict] ?? ["other", verdict || "running"];
  return h(`span.badge.${kind}`, {}, word);
}
