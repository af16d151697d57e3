// Package demo shows softrec at work without any set-up: it runs every role in this process on embedded servers, replays
// the packed online-retail log through Kafka, clicks and asks like a client, and says what came of it.
//
// The first part of the log is sent as fast as it goes, the rest at a multiple of its speed. Times are shifted so that
// the log ends about when its replay does. Everything goes through the same code and the same HTTP API as in production;
// the figures of the summary are read from there, from outside.
//
// Run starts one goroutine each for the replay, the prober and the announcements, and ends them before it returns.
package demo
