// Package app wires the parts of softrec into one process: it opens the servers (embedded or by address) and the
// clients, makes the topics, builds the parts a command asks for and runs them together.
//
// It holds no logic of a part. It owns what it opens and closes it, in reverse order, after the parts have ended: parts
// stop first, with every server and client still there for their last flush and commit, then the embedded servers'
// ticker, then the clients, then the servers.
//
// Run starts one goroutine for each part; the first part that ends, for whatever reason, ends the others, and one that
// ends without being asked to is a fault.
package app
