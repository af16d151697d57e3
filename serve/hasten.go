package serve

import (
	"context"
	"net"
	"net/http"
	"time"
)

type firstRequestKey struct{}

// hasten closes a connection of srv on which the headers of a first request have not come within wait. ReadHeaderTimeout does this for HTTP/1 alone: over
// HTTP/2 who says hello and then nothing, or sends headers that do not end, stays for the IdleTimeout. Call it before srv serves.
func hasten(srv *http.Server, wait time.Duration) {
	next := srv.Handler
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, firstRequestKey{}, time.AfterFunc(wait, func() { _ = c.Close() })) // closed already: nobody waits for it
	}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limit, ok := r.Context().Value(firstRequestKey{}).(*time.Timer); ok {
			limit.Stop()
		}
		next.ServeHTTP(w, r)
	})
}

// lively bounds what an HTTP/2 connection does after its first request. A connection from which no whole frame has come for read_header_timeout is sent a
// ping and closes when no answer comes within read_timeout. Headers that do not end are not a whole frame, and nothing may come between their parts, the
// answer to a ping neither. A client that takes nothing from its connection loses it after write_timeout.
func (c Config) lively() *http.HTTP2Config {
	return &http.HTTP2Config{SendPingTimeout: c.ReadHeaderTimeout, PingTimeout: c.ReadTimeout, WriteByteTimeout: c.WriteTimeout}
}
