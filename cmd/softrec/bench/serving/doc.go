// Package serving is `softrec bench serve`: how many answers a second serve gives, and how late they come, beside a plain handler with one
// Redis GET, and beside whatever else the user names, in one run on one machine and one Redis.
//
// It owns the made-up shop (catalogue, users with full windows, a model made by softrec's own code), the processes and the load. It
// promises that what is measured is `softrec serve` and `softrec ingest` as anybody would start them: processes of this binary
// of their own, as are the embedded servers and the plain handler; the process that runs this package makes the load and nothing else
// meanwhile, but for taking the spans of a server with traces (Options.With), whose bytes it throws away. Throughput comes from a closed loop; times come from an open loop at a fixed rate of arrivals, counted from when a request
// should have been sent, so that a stalled server cannot hide the requests it kept waiting. Answers are read whole and looked at by sample;
// a wrong one is a failed one. It needs free ports on the loopback and, without servers of one's own, nothing else. It starts one goroutine
// for each connection of a load, one for each process, and waits for all of them.
package serving
