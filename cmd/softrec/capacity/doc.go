// Package capacity holds the tests that measure what an item and a model take, in Redis and in a process, against the formulas of
// docs/capacity.md. What a user takes is measured in ingest/window. It has no code of its own and promises nothing else.
package capacity
