// Package stream is the streaming protocol of `softrec eval stream`: a log is played in the order of its time, every
// basket is first asked about and then learnt by all contenders, and what they answered is judged.
//
// It promises that nothing depends on what comes later. Users and items get their numbers in the order of time, titles are
// told with an item's first basket, the catalogue that is ranked is what was learnt so far, and an answer that knows more is
// an error. Before the evaluation an Audit plays the beginning of the log several times with different futures and stops
// where an answer changes. Two runs with the same files, options and seeds give the same figures.
//
// A whole log is held in memory; a million lines with the simple models took 0.7 GB. Only the synchronous mode is there: it
// starts no goroutine, and the delayed mode is refused.
package stream
