// Package chaos is `softrec chaos`: softrec as its users run it, processes on Kafka and Redis, under load and under attack, and then
// the audit: every window compared with what the log demands (package audit).
//
// Processes are this binary started again: two ingest and, now and then, a third; a trainer; two servers. A seed decides what is
// killed with -9, paused or made to share partitions anew, and after which event; what a moment meets there is chance. Kafka and
// Redis are killed too where they are the run's own: from Kafka's jars and a Redis on the path, or the embedded pair in a process of
// its own, which is paused only, since in memory it has nothing to come back with.
//
// Events are sent at a rate, by producers that never give up; requests are asked at a rate of two servers, of the other where
// one fails. A request that neither answers is a fault of the run: the servers are attacked one at a time. It promises that a run
// which reports no fault has compared all windows. It ends all processes it started. Its goroutines end with Run.
package chaos
