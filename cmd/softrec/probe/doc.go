// Package probe watches softrec from outside, as a client: it asks for recommendations at a steady rate and counts
// failures and latency, and it clicks, measuring how long a click takes to change the answer.
//
// Requests start at fixed times whatever the answers before them did, and latency counts from the time a request was
// due, so that a stall shows as slow answers and not as fewer of them. A request in flight when the context ends is
// finished and counted.
//
// Run starts one goroutine for clicks and one for each request in flight, at most 64; it returns when all have ended.
package probe
