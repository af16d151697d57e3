// Package structure holds the tests about the repository itself: which package may import which and why, that every
// package and every exported name is documented, that no file names a place of one machine, and that the documents name
// only files that exist. It has no code of its own and promises nothing else.
package structure
