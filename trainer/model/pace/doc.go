// Package pace lets a long computation that nobody waits for give way to those that somebody does, by resting again and again.
//
// It owns that one decision, when to rest and how long. A computation says how much it has done, and after a turn of about a millisecond
// it sleeps for as long as its share of one processor asks for. It keeps the priority of everybody else: a thread of low priority, which the
// operating system may set aside for tens of milliseconds in the midst of its turn, holds up whoever needs all threads to stop, as the garbage
// collector does, and so every request. A computation that meets a busy machine rests longer, up to four times.
//
// A Pacer belongs to one goroutine at a time; none is started. A nil one never rests, so that code which can be paced needs no second way.
package pace
