package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const livePath = "/v1/live"

// frameTimeout is how long one frame may take to reach a client before its stream is cut.
const frameTimeout = 10 * time.Second

func (s *Server) registerLive(api huma.API, tag string) {
	op := s.operation("live", http.MethodGet, livePath, tag, "What happens, as it happens",
		"Server-sent events: stats (once a second), prequential, rounds and events (on change); the first of each is the full picture. A stream that falls behind is closed and should be opened again.")
	op.Errors = []int{503}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of server-sent events",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(api, op, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		sub := s.hub.subscribe()
		if sub == nil {
			return nil, unavailable(retryAfter, "too many live streams are open, or the server stops")
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer s.hub.unsubscribe(sub)
			r, w := humago.Unwrap(hc)
			w.Header().Set("Content-Type", "text/event-stream")
			if r.Method != http.MethodHead { // a HEAD has no body to wait for
				s.stream(ctx, w, sub)
			}
		}}, nil
	})
}

// stream writes frames until the client leaves or the hub ends the stream.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, sub *subscriber) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})       // the server's read timeout is for requests and would end this one
	w.Header().Set("X-Accel-Buffering", "no") // proxies that would collect frames
	beat := time.NewTicker(s.cfg.LiveHeartbeat)
	defer beat.Stop()
	write := func(b []byte) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(frameTimeout)) // not every writer has deadlines (tests)
		if _, err := w.Write(b); err != nil {
			return false
		}
		return rc.Flush() == nil
	}
	if !write([]byte("retry: 1000\n\n")) {
		return
	}
	for {
		next := []byte(": hb\n\n")
		select {
		case <-ctx.Done():
			return
		case <-sub.done:
			return
		case next = <-sub.frames:
		case <-beat.C:
		}
		if !write(next) {
			return
		}
	}
}
