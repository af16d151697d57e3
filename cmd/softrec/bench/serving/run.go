package serving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/bench/pairs"
)

// lab is a running bench.
type lab struct {
	o      Options
	log    *slog.Logger
	shop   shop
	stock  *stock
	folder string   // of the models, thrown away in the end
	env    []string // of the processes
	at     Addresses
	serve  string // address of the API
	admin  string // of the server's private port
	plain  string // address of the plain handler
	live   []string

	children []*process
	offset   atomic.Int64 // of the windows' changes
}

// Run measures processes with the settings of cfg, but for those that only one process of a machine can have, and returns what it found, also
// written to o.JSON. log, nil for silence, hears how far it is.
func Run(ctx context.Context, cfg config.Config, o Options, log *slog.Logger) (result Result, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	b := &lab{o: o, log: log, shop: newShop(o, time.Now())}
	if b.env, err = environ(cfg); err != nil {
		return Result{}, err
	}
	if b.folder, err = os.MkdirTemp("", "softrec-bench-"); err != nil {
		return Result{}, fmt.Errorf("make a folder for the models: %w", err)
	}
	defer func() { err = errors.Join(err, b.close(), os.RemoveAll(b.folder)) }()
	result = Result{
		Items: o.Items, Users: o.Users, Connections: o.Connections, Seconds: o.Seconds, Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		Redis: o.Redis, LoadBefore: pairs.Load(),
	}
	if result.Redis == "" {
		result.Redis = "embedded"
	}
	if err := b.open(ctx); err != nil {
		return Result{}, err
	}
	if err := b.measure(ctx, &result); err != nil {
		return Result{}, err
	}
	result.LoadAfter = pairs.Load()
	return result, result.write(o.JSON)
}

// measure runs every load, one after the other.
func (b *lab) measure(ctx context.Context, r *Result) (err error) {
	if !slices.Contains(b.o.Skip, SkipPlain) {
		if r.Reference, err = b.load(ctx, "plain handler", b.reference()); err != nil {
			return err
		}
	}
	r.ReferenceRPS = r.Reference.RPS
	if b.o.Compare != "" {
		l, err := b.load(ctx, "compared", b.compared())
		if err != nil {
			return err
		}
		r.Compare, r.CompareRPS = &l, l.RPS
	}
	if !slices.Contains(b.o.Skip, SkipUnchanged) {
		if err := b.warm(ctx, b.serve); err != nil {
			return err
		}
		if r.Unchanged, err = b.profiled(ctx, r, "unchanged", b.unchanged(b.serve)); err != nil {
			return err
		}
	}
	if r.Changed, err = b.profiled(ctx, r, "changed", b.changed(b.serve)); err != nil {
		return err
	}
	if b.o.Clicks > 0 {
		if r.Click, err = b.clicks(ctx, 0); err != nil {
			return err
		}
	}
	if b.o.Clicks > 0 && b.o.ClickLoad > 0 {
		if r.ClickUnderLoad, err = b.clicksUnder(ctx, r.Changed.RPS*b.o.ClickLoad); err != nil {
			return err
		}
	}
	for _, name := range b.o.With {
		found, err := b.extra(ctx, name)
		if err != nil {
			return fmt.Errorf("with %s: %w", name, err)
		}
		if r.With == nil {
			r.With = map[string]Extra{}
		}
		r.With[name] = found
	}
	if b.o.Swaps > 0 {
		if r.Swaps, err = b.swaps(ctx, r.Changed.Rate); err != nil {
			return err
		}
	}
	if b.o.Overload > 0 {
		if err := b.overloads(ctx, r); err != nil {
			return err
		}
	}
	r.sum()
	return nil
}

func (b *lab) load(ctx context.Context, name string, to target) (Load, error) {
	l, err := measure(ctx, b.o, to)
	b.log.Info("measured", "what", name, "rps", int(l.RPS), "p99_ms", l.P99, "failed", l.Failed)
	return l, err
}

// profiled is load of serve, with what it cost the process.
func (b *lab) profiled(ctx context.Context, r *Result, name string, to target) (Load, error) {
	before, err := b.vitals(ctx)
	if err != nil {
		return Load{}, err
	}
	done := b.profile(ctx, name, 2)
	l, err := b.load(ctx, name, to)
	if err := errors.Join(err, <-done); err != nil {
		return l, err
	}
	if l.RPS == 0 { // the loads after it are sent at a share of its rate
		return l, fmt.Errorf("%s: no answer: %s", name, cmp.Or(l.Fault, "none was asked for in time"))
	}
	after, err := b.vitals(ctx)
	if err != nil {
		return l, err
	}
	r.Vitals = append(r.Vitals, after.since(before, name, l))
	return l, nil
}

func (b *lab) reference() target {
	return target{addr: b.plain, path: func(u int) string { return "/plain/" + userID(u) }}
}

func (b *lab) compared() target {
	return target{addr: hostOf(b.o.Compare), path: func(u int) string {
		to, err := url.Parse(strings.ReplaceAll(b.o.Compare, userMark, userID(u)))
		if err != nil { // Validate parsed it with another user
			return "/"
		}
		return to.RequestURI()
	}}
}

func hostOf(template string) string {
	u, err := url.Parse(strings.ReplaceAll(template, userMark, "u"))
	if err != nil {
		return ""
	}
	if u.Port() == "" {
		return u.Host + ":80"
	}
	return u.Host
}

func askFor(u int) string { return "/v1/recommend/" + userID(u) }

func (b *lab) unchanged(addr string) target { return target{addr: addr, path: askFor, check: b.check} }

// changed writes one interaction into the user's window before the request, by the code that ingest writes with.
func (b *lab) changed(addr string) target {
	t := b.unchanged(addr)
	t.prepare = func(ctx context.Context, u int) error {
		n := b.offset.Add(1)
		out, err := b.stock.windows.Apply(ctx, []window.UserBatch{{User: userID(u), Partition: ownPartition, Records: []window.Record{{
			Offset: steps + n, Interaction: schema.Interaction{
				ItemID: itemID(int(uint64(n) * 2654435761 % uint64(b.o.Items))), Type: schema.DefaultType, Timestamp: time.Now(),
				Offset: steps + n, EventID: fmt.Sprintf("c-%012x", n),
			},
		}}}})
		if err == nil && out.Applied != 1 {
			err = fmt.Errorf("the window did not take the change: %+v", out)
		}
		return err
	}
	return t
}

// check demands a whole answer of a model for the window as it is.
func (b *lab) check(u int, body []byte) error {
	a, err := schema.DecodeAnswer(body)
	switch {
	case err != nil:
		return fmt.Errorf("answer for %s: %w", userID(u), err)
	case a.Degraded != "":
		return fmt.Errorf("answer for %s is degraded: %s", userID(u), a.Degraded)
	case len(a.Items) != 10 || a.ModelVersion == "" || a.WindowOffset < steps:
		return fmt.Errorf("answer for %s has %d items of model %q for window %d", userID(u), len(a.Items), a.ModelVersion, a.WindowOffset)
	}
	return nil
}

// warm asks for every user once, so that what is unchanged has been asked before.
func (b *lab) warm(ctx context.Context, addr string) error {
	start := time.Now()
	if err := b.each(ctx, addr, func(c *client, u int) error {
		status, body, err := c.get(askFor(u))
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d: %.200s", status, body)
		}
		return err
	}); err != nil {
		return fmt.Errorf("ask for every user once: %w", err)
	}
	b.log.Info("asked for every user once", "took", time.Since(start).Round(time.Millisecond))
	return nil
}

func (b *lab) path(name string) string { return filepath.Join(b.o.Profile, name+".pprof") }
