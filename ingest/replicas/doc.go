// Package replicas sends writes to Redis in such a way that they are only done when they would outlive the server they were sent to.
//
// Redis answers before its replicas have heard of a write, so a failover takes back what was answered last. What was committed to Kafka
// on the strength of such an answer would be lost. A Writer with Policy.Replicas ends each pipeline with WAIT, on the connection of the
// writes and so at the server that took them, and reports those that too few replicas have as not done.
//
// It owns no state, starts no goroutine, and knows a single server, a Sentinel setup and a cluster, where each node is waited for by
// itself. It needs one thing from the caller: a write that was not confirmed is sent again as a write. One that finds its work
// done and writes nothing has nothing that WAIT could wait for: see Writer.Barrier.
package replicas
