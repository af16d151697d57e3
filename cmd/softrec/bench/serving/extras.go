package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/trainer/bench/pairs"
)

// What serve does beside answering when it is asked to, and what it costs can be measured (Options.With).
const (
	WithImpressions = "impressions" // answers are logged as impressions, up to serve.impressions.rate
	WithShadows     = "shadows"     // the same, and beside each logged answer the list of another arm is computed
	WithTraces      = "traces"      // one trace in a hundred is kept, the default share, and sent to a collector
	WithAllTraces   = "all-traces"  // every trace is
)

// extras are the settings of a server that does each.
var extras = map[string][]string{
	WithImpressions: {"--attribution-enabled"},
	WithShadows:     {"--attribution-enabled"},
	WithTraces:      {"--trace-ratio", "0.01"},
	WithAllTraces:   {"--trace-ratio", "1"},
}

// shadowArms has one arm more, which nobody is shown.
const shadowArms = `{"salt":"bench","shadows":[{"name":"diverse","share":1,"rules":{"mmr_lambda":0.7}}]}`

// extraTurns are how often the two servers are asked by turns.
const extraTurns = 4 // even: each server is first as often

// Extra compares a server that does something more with one that does not: the same loads, by turns, at the same rates.
type Extra struct {
	Unchanged Pair  `json:"unchanged"`
	Changed   Pair  `json:"changed"`
	SpanBytes int64 `json:"span_bytes,omitempty"` // that came to the collector, in the form they are sent in

	Impressions float64 `json:"impressions,omitempty"` // that the server logged
	Shadows     float64 `json:"shadows,omitempty"`     // lists that it computed for nobody
}

// Pair is one load of two servers. A rate of answers is the median of the turns; times are those of all turns together, at one rate for both.
type Pair struct {
	With     Load    `json:"with"`
	Without  Load    `json:"without"`
	RPSRatio float64 `json:"rps_ratio"` // with over without
	P99Ratio float64 `json:"p99_ratio"`
}

// collector takes spans and throws them away.
type collector struct {
	http.Server
	l     net.Listener
	bytes atomic.Int64
}

func newCollector() (*collector, error) {
	c := &collector{}
	var err error
	if c.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listen for traces: %w", err)
	}
	c.ReadHeaderTimeout = patience
	c.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body) // the sender may be gone
		c.bytes.Add(n)
	})
	go func() { _ = c.Serve(c.l) }()
	return c, nil
}

// extra measures a second server that does what name says beside the first.
func (b *lab) extra(ctx context.Context, name string) (out Extra, err error) {
	spans, err := newCollector()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, spans.Close()) }()
	flags := slices.Clone(extras[name])
	switch name {
	case WithTraces, WithAllTraces:
		flags = append(flags, "--trace-endpoint", "http://"+spans.l.Addr().String())
	case WithShadows:
		arms := filepath.Join(b.folder, "arms.json")
		if err := os.WriteFile(arms, []byte(shadowArms), 0o600); err != nil {
			return out, fmt.Errorf("write the arms: %w", err)
		}
		flags = append(flags, "--serve-arms", arms)
	}
	p, at, err := b.launchServe(ctx, flags...)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, b.end(p)) }()
	if !slices.Contains(b.o.Skip, SkipUnchanged) {
		for _, addr := range []string{at.api, b.serve} { // the loads before may have changed every window
			if err := b.warm(ctx, addr); err != nil {
				return out, err
			}
		}
		if out.Unchanged, err = b.pair(ctx, b.unchanged(at.api), b.unchanged(b.serve)); err != nil {
			return out, err
		}
	}
	if out.Changed, err = b.pair(ctx, b.changed(at.api), b.changed(b.serve)); err != nil {
		return out, err
	}
	out.SpanBytes = spans.bytes.Load()
	if err := read(ctx, at.admin, map[string]*float64{
		`softrec_serve_impressions_total{what="logged"}`: &out.Impressions, `softrec_serve_shadow_lists_total{what="computed"}`: &out.Shadows,
	}); err != nil {
		return out, err
	}
	b.log.Info("measured", "what", name, "unchanged_rps", out.Unchanged.RPSRatio, "unchanged_p99", out.Unchanged.P99Ratio,
		"changed_rps", out.Changed.RPSRatio, "changed_p99", out.Changed.P99Ratio, "span_bytes", out.SpanBytes)
	return out, nil
}

// pair asks both servers by turns, and who is first changes.
func (b *lab) pair(ctx context.Context, with, without target) (Pair, error) {
	var out Pair
	rate := 0.0
	var rps [2][]float64
	for turn := range extraTurns {
		for k := range 2 {
			side := (turn + k) % 2
			to, sum := with, &out.With
			if side == 1 {
				to, sum = without, &out.Without
			}
			l, err := b.turn(ctx, to, &rate)
			if err != nil {
				return out, err
			}
			rps[side] = append(rps[side], l.RPS)
			sum.pool(l)
		}
	}
	out.With.RPS, out.Without.RPS = pairs.SpreadOf(rps[0]).Median, pairs.SpreadOf(rps[1]).Median
	if out.Without.RPS > 0 && out.Without.P99 > 0 {
		out.RPSRatio, out.P99Ratio = out.With.RPS/out.Without.RPS, out.With.P99/out.Without.P99
	}
	return out, nil
}

// turn is a closed loop and an open one at rate, which the first turn of all sets.
func (b *lab) turn(ctx context.Context, to target, rate *float64) (Load, error) {
	if *rate == 0 {
		l, err := measure(ctx, b.o, to)
		*rate = l.Rate
		if err == nil && l.times == nil {
			err = fmt.Errorf("no answer: %s", l.Fault)
		}
		return l, err
	}
	l := closed(ctx, b.o, to)
	if err := ctx.Err(); err != nil {
		return l, err
	}
	return l, l.arrive(ctx, b.o, to, *rate)
}

// ClickUnderLoad is how long clicks take while answers for changed windows are asked for at a fixed rate.
type ClickUnderLoad struct {
	Click
	Load Load `json:"load"`
}

// clicksUnder measures clicks of the last tenth of the users while the others are asked for at a rate until the clicks are through.
func (b *lab) clicksUnder(ctx context.Context, rate float64) (*ClickUnderLoad, error) {
	o := b.o
	o.Users -= max(1, o.Users/10)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type found struct {
		Click
		err error
	}
	done := make(chan found, 1)
	go func() {
		time.Sleep(min(o.Warm, patience)) // the load is there by then
		c, err := b.clicks(ctx, o.Users)
		done <- found{c, err}
	}()
	out := &ClickUnderLoad{}
	for {
		var turn Load
		if err := turn.arrive(ctx, o, b.changed(b.serve), rate); err != nil {
			cancel()
			return nil, errors.Join(err, (<-done).err)
		}
		out.Load.pool(turn)
		select {
		case f := <-done:
			out.Click = f.Click
			b.log.Info("measured", "what", "click to answer under load", "rate", int(rate), "p50_ms", out.P50, "p99_ms", out.P99)
			return out, f.err
		default:
		}
		o.Warm = 0
	}
}
