// Package validate looks at a user's own events before softrec does: can they be read, and is there something to learn in
// them? Every check says PASS, WARN or FAIL in a sentence and shows the first rows that offend.
//
// It reads rows from wherever they come (a file, a topic) once, in their order, and keeps counts, the first offenders and a
// 64-bit digest a row; what it needs is a sequence of rows. Nothing is written, nothing is sent, no goroutine is started.
package validate
