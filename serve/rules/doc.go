// Package rules says which items a list may hold and in what order, on top of the ranker's scores.
//
// # What it owns
//
// Spec is what a request or a placement asks for, as JSON or as query parameters. Compiler turns it into Rules: filter and
// boost expressions (Expression, compiled once and kept), what the user has seen (Seen), caps per category, diversity,
// exploration, pins, the least score, and pages (Token). Rules.Select arranges a pool of scored items.
//
// # What it promises
//
//   - An expression ends: it has no loop but any, all, none, one and count over an item's own lists, one inside the other
//     never, and bounded length; its patterns are bounded compiled (MaxPatternSteps), and so is their work over one item. It cannot fail a request once compiled: where it makes no sense for an item, it does not match.
//   - Equal pool, Rules and seed, equal list: exploration draws from the seed alone, so that a draw can be repeated.
//   - Pages neither repeat nor skip: a token carries what was shown, so the next page is the best of the rest, whatever
//     happened to window, model and catalogue in between. Walked to its end, a list shows every allowed item once.
//   - Caps hold on every page, for all items but pinned ones; pins stand at their place or, where a list ends before it, at its end.
//
// # What it needs
//
// Nothing but the caller's pool and look-ups; it does no I/O, reads no clock and knows no model. It starts no goroutines.
// Expression, Compiler and Rules are safe for concurrent use.
package rules
