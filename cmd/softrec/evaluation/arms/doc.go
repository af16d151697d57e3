// Package arms compares the arms of an experiment from logged impressions and interactions, after the fact.
//
// What an arm's own users did says what the arm brought. What a shadow would have brought, whose lists nobody saw, is estimated
// from answers that explored: at a place where the answer happens to show the item that the shadow wanted there, the outcome
// counts with the inverse of that item's logged propensity. That is right where a click depends on the item and its place and not
// on what stands above, and where every wanted item could have been drawn; the second is measured and warned of.
//
// The package joins by the rules of ingest/attribution, reads what its caller hands it, and starts no goroutine. Compare takes all
// records at once; CompareFiles reads files that are ordered by time side by side and keeps no more answers than the window holds.
// Both add up the same answers in the same order, so their figures are equal.
package arms
