package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/embedded"
)

// Addresses are where the embedded servers of a bench listen.
type Addresses struct {
	Kafka []string `json:"kafka"`
	Redis string   `json:"redis"`
}

// HostServers runs the embedded servers until ctx is done and first writes their Addresses to out, as one line of JSON.
func HostServers(ctx context.Context, out io.Writer, log *slog.Logger) (err error) {
	cfg := embedded.DefaultConfig()
	cfg.Logger = log
	s, err := embedded.Start(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := json.NewEncoder(out).Encode(Addresses{Kafka: s.Brokers(), Redis: s.RedisAddr()}); err != nil {
		return fmt.Errorf("tell the addresses: %w", err)
	}
	return s.Run(ctx)
}

// plainKey is the Redis key of what the plain handler answers for a user.
func plainKey(user string) string { return prefix + ":plain:{" + user + "}" }

// HostPlain is what answers are measured against, until ctx is done: net/http, one route, one GET to Redis, the value as the body.
func HostPlain(ctx context.Context, listen, redisAddr string) error {
	rdb := redis.NewClient(&redis.Options{Addr: redisAddr})
	defer rdb.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /plain/{user}", func(w http.ResponseWriter, r *http.Request) {
		body, err := rdb.Get(r.Context(), plainKey(r.PathValue("user"))).Bytes()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // #nosec G705 -- what the bench put into its Redis; the client may be gone
	})
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen for the plain handler: %w", err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { <-ctx.Done(); _ = srv.Close() }()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// plainBody is as long as a short answer of ten items.
func plainBody() string {
	return `{"items":[` + strings.Repeat(`{"id":"item-0000001","title":"Article 1 of line1 in colour1 size1","score":1.234567890123,"source":"model"},`, 9) +
		`{"id":"item-0000001","score":1}]}`
}
