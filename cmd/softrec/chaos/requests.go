package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/softrec/softrec/schema"
)

// oneTry is how long a client waits for one server before it asks the other.
const oneTry = 2 * time.Second

// askOn is for how long a client asks the two servers by turns: one of them may be dead, and the other refuse for a moment what it cannot bear.
const askOn = 5 * time.Second

// Requests are the recommendations asked while things broke.
type Requests struct {
	Count    int            `json:"count"`
	Failed   int            `json:"failed"`   // neither server gave an answer within seconds: one at a time is attacked, so one of them should; any is a fault of the run
	Degraded int            `json:"degraded"` // the answer said that it was less than it should be
	Retried  int            `json:"retried"`  // not the first try gave it
	Reasons  map[string]int `json:"degraded_by,omitempty"`
	Slowest  float64        `json:"slowest_ms"`
	Failures []string       `json:"failures,omitempty"` // the first few
}

// requests asks for recommendations at a rate.
type requests struct {
	r      *run
	client *http.Client

	mu   sync.Mutex
	seen Requests
}

func newRequests(r *run) *requests {
	return &requests{r: r, client: &http.Client{Timeout: oneTry, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}, seen: Requests{Reasons: map[string]int{}}}
}

// run asks until ctx is done, then waits for the answers that are due.
func (q *requests) run(ctx context.Context) error {
	defer q.client.CloseIdleConnections()
	if q.r.o.Requests == 0 {
		return nil
	}
	var open sync.WaitGroup
	defer open.Wait()
	rng := rand.New(rand.NewPCG(q.r.o.Seed, 9))
	ticker := time.NewTicker(time.Second / time.Duration(q.r.o.Requests))
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		user, first := userName(rng.IntN(q.r.o.Users)), n%2
		open.Go(func() { q.ask(user, first) })
	}
}

// ask is one client: it asks one server, and the other where that gives no answer, by turns until askOn is over.
func (q *requests) ask(user string, first int) {
	start := time.Now()
	a, err := q.try(user, first)
	retried := err != nil
	for n, last := 1, err; err != nil && (n < 2 || time.Since(start) < askOn); n++ {
		if n > 1 {
			time.Sleep(askOn / 50)
		}
		var again error
		if a, again = q.try(user, (first+n)%2); again == nil {
			err = nil
		} else {
			err, last = fmt.Errorf("%w; %w", last, again), again
		}
	}
	took := time.Since(start).Seconds() * 1000
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &q.seen
	s.Count++
	s.Slowest = max(s.Slowest, took)
	switch {
	case err != nil:
		s.Failed++
		if len(s.Failures) < 10 {
			s.Failures = append(s.Failures, err.Error())
		}
		return
	case retried:
		s.Retried++
	}
	if a.Degraded != "" {
		s.Degraded++
		if len(s.Reasons) < 20 || s.Reasons[a.Degraded] > 0 {
			s.Reasons[a.Degraded]++
		}
	}
}

func (q *requests) try(user string, server int) (schema.Answer, error) {
	resp, err := q.client.Get(q.r.serveAt[server] + "/v1/recommend/" + user + "?n=10")
	if err != nil {
		return schema.Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return schema.Answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return schema.Answer{}, fmt.Errorf("serve-%d: %s: %.200s", server+1, resp.Status, body)
	}
	return schema.DecodeAnswer(body)
}

// sum is what was seen.
func (q *requests) sum() Requests {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.seen
}
