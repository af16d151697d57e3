// Package shed refuses work before a server collapses under it.
//
// A server that takes every request answers none in time once they come faster than it can answer: each waits behind all
// others. The package keeps the number of requests at work so small that those let in are fast, and gives the rest back at
// once, at a small fraction of what an answer costs.
//
// It owns a Limiter per class of requests and one Controller that sets their limits by what it feels of queues: how long
// goroutines that could run had to wait for a processor (runtime/metrics), and by how much a round trip to Redis takes longer
// than it did when nothing waited. A wait for a processor counts only while the process uses a good part of its processors: on
// a machine that others keep busy, goroutines wait however few requests are let in. Neither depends on how long a request takes by its nature, so a wait for a language model
// or for Kafka is no sign of overload. While nothing waits the limit rises to where it does not matter; when something does
// it falls by a fraction of what is at work, every Tick (additive increase, multiplicative decrease).
//
// A request that works at many things at once takes a place for each (More), as far as there are free ones.
//
// Acquire and Release cost two atomic operations and no allocation; Observe one. The package starts no goroutine: the
// caller runs Controller.Run. Without it limits stay where they began, at their highest.
package shed
