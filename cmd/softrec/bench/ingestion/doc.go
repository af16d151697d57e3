// Package ingestion is `softrec bench ingest`: how fast events become windows, beside what reading from Kafka and writing to Redis
// cost by themselves, and how long one event takes to be visible.
//
// Three contestants take turns over the same events: reading and decoding with kafka-go and nothing around it; the window
// script, pipelined, on records that were decoded before; and the real consumer, which does both. Each turn writes below a
// prefix of its own, so every window starts empty. Then the real consumer runs under an open loop: events are sent when they are
// due, whatever became of those before, and the time counts from when they were due until a reader of the window sees them.
//
// It owns the topics, groups and keys it makes, and removes them from servers that are somebody else's. It needs Kafka and Redis, or takes the embedded pair.
// It ends the goroutines and processes it starts.
package ingestion
