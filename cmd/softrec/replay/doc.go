// Package replay sends a recorded log to Kafka as if it happened now: the catalogue first, then the interactions in the
// order of the log, as fast as it goes or at a multiple of the speed at which they happened.
//
// It promises that every interaction is sent with the same event id whenever the log is sent, so that a replay that was
// cut off can simply be started again; and that a replay that falls behind its pace catches up instead of stretching.
//
// A Player starts no goroutine and is used by one.
package replay
