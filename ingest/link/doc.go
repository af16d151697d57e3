// Package link opens connections to the servers softrec needs, with or without TLS, and says in an operator's words why one cannot be
// opened.
//
// It owns the settings of TLS, the type of secrets, and the reading of both from files. It promises that a server is spoken to only after
// its certificate was checked, that no setting turns that check off, and that no secret shows in anything that is printed, logged or
// encoded. Files are read anew for each connection, so that renewed certificates and passwords need no restart.
//
// It knows neither Kafka nor Redis: ingest/broker and the wiring of Redis (cmd) hand Dialer.Dial to their clients. It needs the name of the
// link ("kafka", "redis") for the settings that its errors name. It keeps no state and starts no goroutine.
package link
