// Package attribution owns what became of the answers that were given: which items of an answer were clicked or led to a
// conversion, and at which place the user's next interaction stood in the lists of the arms. It keeps totals by arm, model version
// and source in Redis, and the little of each answer that a later click needs.
//
// Impressions and interactions may come in any order, from any number of processes, and again after a crash. Answers are spread
// over Buckets by their id. A bucket's totals are one value that also holds which records were applied to them; a batch is worked
// out in Go and written by one script, with the answers it changed, if the totals are still those it started from. So each record
// counts once, and each click of an item of an answer once.
//
// Memory is bounded: an answer is kept for the attribution window in a slice of time that Redis drops as a whole at its own end,
// whatever comes meanwhile, at most Config.MaxOpen answers at once over all slices; clicks that wait for an impression have a tenth
// of that beside it. What is older than the window when it is read is passed over. A user's newest lists stay until the next
// interaction or for Config.NextWithin. Of users that were forgotten lately a bucket tells the newest 256 apart, of arms the 64 that were used
// last. Where more answers come than fit they are sampled by a hash of their ids, by one share for a
// whole slice: what is counted depends on neither arm nor outcome, and no part of an hour is left out. Whatever is not counted has an
// outcome of its own in softrec_attribution_records_total.
//
// The caller brings the Redis client. The package starts no goroutine.
package attribution
