// Package cli is softrec's command line: one command a file, each of which loads the configuration and hands over to the
// package that does the work. It holds no work of its own.
//
// A command writes results to its standard output and everything else to its standard error. It ends with its context.
package cli
