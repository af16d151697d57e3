// Package rpc is the contract of softrec's calls over gRPC, gRPC-Web and Connect: softrec.proto, and the Go code that
// protoc-gen-go and protoc-gen-connect-go make of it (`make proto`).
//
// It owns the messages and nothing else; package serve answers them by the code that answers the HTTP API. It needs
// nothing, promises that fields are only added, and starts no goroutine.
package rpc
