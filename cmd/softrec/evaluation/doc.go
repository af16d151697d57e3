// Package evaluation holds what every proof of quality ends in: figures of models by group of cases, comparisons of two
// models on the same cases, and the files that show them (result.json, models.csv, windows.csv, report.md, report.html).
//
// It promises that equal figures give equal files, that report.html needs nothing but itself, and that a folder which holds
// the results of other settings is never written over. How the figures come about is the business of the packages below:
// stream asks before every basket of a log, offline leaves the last items of every user out.
//
// Everything is a plain function of its arguments. The package starts no goroutine.
package evaluation
