// Package stream is the streaming protocol of `softrec eval stream`: a log is played in the order of its time, every
// basket is first asked about and then learnt by all contenders, and what they answered is judged. In synchronous mode
// everything is learnt before the next question; in delayed mode the log is sent at a fixed pace to the real application,
// which answers with what it has really learnt by then, and the simple models stand beside it up to date.
//
// It promises that nothing depends on what comes later. Users and items get their numbers in the order of time, titles are
// told with an item's first basket, the catalogue that is ranked is what was learnt so far, and an answer that knows more is
// an error. Before the evaluation an Audit plays the beginning of the log several times with different futures and stops
// where an answer changes. Two runs with the same files, options and seeds give the same figures; not so an application's,
// which runs in real time.
//
// A whole log is held in memory; a million lines with the simple models took 0.7 GB. The package starts no goroutine; what
// a System starts ends with its Close.
package stream
