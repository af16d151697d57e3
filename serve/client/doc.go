// Package client is softrec's HTTP API for Go programs: send interactions, ask for recommendations, keep the catalogue.
//
// What it promises: a call is tried again when that is harmless and may help (the server cannot be reached, is busy or says
// when to come back), within the caller's context; events without an id get one before the first try, so that a retry never
// counts twice; an error answer of the server is an *Error with its problem document (RFC 9457); an answer is checked before
// it is returned.
//
// What it needs: the address of a server, and a key where the server asks for one. It starts no goroutine of its own and is
// safe for concurrent use.
package client
