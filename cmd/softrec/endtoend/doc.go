// Package endtoend holds the tests that run the softrec binary as its users do: they build it, start it as a process,
// talk to it over HTTP, kill it and look at what is left. It has no code of its own and promises nothing else.
package endtoend
