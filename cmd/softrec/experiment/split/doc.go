// Package split reads an interaction log and cuts it into training, validation and test questions without looking ahead.
//
// A question is one basket of one user: what the user had before it, and the items that were in it. Lines of one user
// with one timestamp, or of one invoice, are one basket, and none of them is history for the others: scored line by line
// the order of an invoice would leak, and the same model look several times better. An invoice whose lines have several times
// stands at the last of them.
//
// Logs with timestamps are cut on the one global clock, at the 80th and the 90th per cent of their lines. Logs that know
// only the place of a row in its user's history have no such clock: there the last item of a user is the test, the last
// but one the validation and the rest the training part. That leaks along the real clock (somebody's training item may
// be younger than another's test item), and every report says so.
//
// Everything is a plain function of its arguments. The package starts no goroutine.
package split
