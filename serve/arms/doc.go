// Package arms says which arm of an experiment a user belongs to, and what an arm is: a model version or the live model, how it
// ranks, and rules.
//
// A user's arm depends on the salt, the user's id and the shares alone, so every process that has the same file gives the same
// one, today and tomorrow; a new salt draws anew. Shadows are arms whose lists are computed beside some answers and not shown.
//
// The package reads one document and does arithmetic. It does no I/O, starts no goroutine, and a Book is never changed.
package arms
