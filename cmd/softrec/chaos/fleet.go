package chaos

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/softrec/softrec/ingest/broker"
)

// quiet keeps the parts' logs to what is worth reading.
const quiet = "--log-level=warn"

// openParts starts ingest twice, the trainer, and serve twice. The guest waits for its first visit.
func (r *run) openParts() error {
	for i := range 2 {
		r.ingest = append(r.ingest, r.ingestPart(i+1))
	}
	r.guest = r.ingestPart(len(r.ingest) + 1)
	models := filepath.Join(r.dir, "models")
	r.trainer = r.part("train", append([]string{"train", quiet, "--models-dir", models, "--data-dir", filepath.Join(r.dir, "train")}, smallRounds()...)...)
	for i := range 2 {
		at, err := freeAddr()
		if err != nil {
			return err
		}
		r.serveAt = append(r.serveAt, "http://"+at)
		r.serve = append(r.serve, r.part(fmt.Sprintf("serve-%d", i+1), "serve", quiet, "--models-dir", models, "--serve-listen", at, "--serve-admin-listen", "127.0.0.1:0", "--pjrt-plugin", "none"))
	}
	for _, p := range append(append([]*part{r.trainer}, r.ingest...), r.serve...) {
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) ingestPart(n int) *part {
	name := fmt.Sprintf("ingest-%d", n)
	return r.part(name, "ingest", quiet, "--ingest-instance", name, "--kafka-session-timeout", r.o.Session.String(),
		"--kafka-heartbeat-interval", min(time.Second, r.o.Session/4).String(), "--kafka-rebalance-timeout", r.o.Session.String())
}

// smallRounds make the trainer publish every few seconds, so that kills meet it at it.
func smallRounds() []string {
	return []string{
		"--trainer-bootstrap-events", "500", "--trainer-round-events", "3000", "--trainer-round-min-events", "500", "--trainer-round-interval", "3s",
		"--trainer-sequence-dim", "8", "--trainer-sequence-ff", "8", "--trainer-sequence-layers", "1", "--trainer-sequence-max-len", "20",
		"--trainer-learn-limit", "300", "--trainer-soft-epochs", "1", "--trainer-soft-teacher-epochs", "1", "--pjrt-plugin", "none",
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// awaitParts waits until both ingest processes have partitions and both servers answer.
func (r *run) awaitParts(ctx context.Context) error {
	if err := until(ctx, "ingest shares the partitions", r.o.Patience, func(ctx context.Context) (bool, error) {
		members, err := broker.Members(ctx, r.cfg.Kafka, r.cfg.Ingest.Group, r.cfg.Ingest.Topic)
		return err == nil && len(members) == len(r.ingest), err
	}); err != nil {
		return err
	}
	for i := range r.serve {
		if err := until(ctx, "serve answers", r.o.Patience, func(ctx context.Context) (bool, error) { return r.answers(ctx, i) }); err != nil {
			return err
		}
	}
	return nil
}

// answers reports whether a server answers for itself.
func (r *run) answers(ctx context.Context, i int) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.serveAt[i]+"/v1/recommend/"+userName(0)+"?n=1", nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}
