package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/cmd/softrec/evaluation/stream"
	"github.com/softrec/softrec/ingest/link/linktest"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write writes a log of baskets in which users like items near their own number, and its catalogue.
func write(t *testing.T, baskets int) (interactions, items string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(4, 2))
	dir := t.TempDir()
	interactions, items = filepath.Join(dir, "log.tsv"), filepath.Join(dir, "items.tsv")
	rows, titles := []string{"user\titem\ttimestamp"}, []string{"item\ttitle"}
	at := 1_300_000_000
	for range baskets {
		at += 60 + rng.IntN(7200)
		user := rng.IntN(30)
		for range 1 + rng.IntN(4) {
			rows = append(rows, fmt.Sprintf("u/%d\ti%d\t%d", user, (user+rng.IntN(8)*rng.IntN(8))%50, at))
		}
	}
	for i := range 50 {
		titles = append(titles, fmt.Sprintf("i%d\titem number %d", i, i))
	}
	for path, lines := range map[string][]string{interactions: rows, items: titles} {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return interactions, items
}

// bootstrap is after how many events the first model is made.
const bootstrap = 100

// settings is a quick application: without a network, with rounds of a moment.
func settings(t *testing.T, more map[string]string) *config.Loaded {
	t.Helper()
	preset := Preset()
	for k, v := range map[string]string{"trainer.learner": "counts", "trainer.bootstrap_events": strconv.Itoa(bootstrap), "trainer.round_events": "300", "trainer.round_min_events": "100"} {
		preset[k] = v
	}
	for k, v := range more {
		preset[k] = v
	}
	loaded, err := config.Load(config.Sources{Preset: preset})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func options(t *testing.T, baskets int) stream.Options {
	o := stream.DefaultOptions()
	o.Interactions, o.Items = write(t, baskets)
	o.Mode, o.Speed, o.Out, o.Draws, o.Audit = stream.Delayed, 1500, filepath.Join(t.TempDir(), "out"), 100, 500
	return o
}

// patient is an application that is given the time it needs now and then, so that the test does not depend on the machine.
type patient struct {
	*System
	baskets int
}

func patiently(open stream.OpenSystem) stream.OpenSystem {
	return func(ctx context.Context, c stream.SystemConfig) (stream.System, error) {
		s, err := open(ctx, c)
		if err != nil {
			return nil, err
		}
		return &patient{System: s.(*System)}, nil
	}
}

// Learn waits after every 20th basket until the user's window shows it and a model answers.
func (p *patient) Learn(ctx context.Context, b *rival.Basket) error {
	if err := p.System.Learn(ctx, b); err != nil {
		return err
	}
	if p.baskets++; p.baskets%20 != 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		a, err := p.client.recommend(ctx, b.UserID, false)
		if err == nil && a.WindowOffset >= p.sentTo[b.User] && (a.ModelVersion != "" || p.sent < bootstrap) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the application does not follow: %+v, %w", a, errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}

// A whole replay: every question is answered by the application as it was then, and judged beside the simple models.
func TestExecute_replaysToTheRealApplication(t *testing.T) {
	o := options(t, 500)
	o.Models = []string{"popularity", "repeats", "frozen", "soft", "ranker"}
	r, err := stream.Execute(t.Context(), o, stream.Kit{System: patiently(Open(settings(t, nil), slog.New(slog.DiscardHandler), "test"))})
	if err != nil {
		t.Fatal(err)
	}
	if r.Mode != stream.Delayed || len(r.Models) != 5 {
		t.Fatalf("mode %q, models %v", r.Mode, r.Order())
	}
	for _, name := range []string{"ranker", "frozen", "soft"} {
		m := r.Models[name]
		if m.Events != r.Events || m.HR10 <= 0 || len(m.Windows) == 0 || len(m.Live) != 1 || m.LatencyP99 <= 0 {
			t.Fatalf("%s: %+v of %d events", name, m, r.Events)
		}
		l := m.Live[0]
		if l.Questions != r.Data.Questions || l.Failed != 0 || l.DeadLetters != 0 || l.FailedRounds != 0 || l.Struck != 0 || l.WithoutModel != 0 {
			t.Errorf("%s: %+v", name, l)
		}
		if l.Models == 0 || l.Age.Max <= 0 || l.Age.P99 < l.Age.P50 || m.AgeEvents != l.Age.Mean {
			t.Errorf("%s: models %d, age %+v, mean %v", name, l.Models, l.Age, m.AgeEvents)
		}
		if l.Returning == 0 || l.StaleWindows > l.Returning || l.Reached > 1.1*o.Speed {
			t.Errorf("%s: %+v", name, l)
		}
		t.Log(name, m.HR10, l.Sentence())
	}
	if frozen, live := r.Models["frozen"].Live[0], r.Models["ranker"].Live[0]; frozen.Models > 2 {
		t.Errorf("frozen answered with %d models of age %+v; the live one with %d of %+v", frozen.Models, frozen.Age, live.Models, live.Age)
	}
	if stale := r.Models["ranker"]; stale.Repeat.HR10 < 0.5*r.Models["repeats"].Repeat.HR10 {
		t.Errorf("repeats: the application finds %v, the up-to-date model %v", stale.Repeat, r.Models["repeats"].Repeat)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "a second run gives others") || !strings.Contains(notes, "ranker, seed 1: ") {
		t.Errorf("notes:\n%s", notes)
	}
	there, err := evaluation.Read(o.Out)
	if err != nil || there.Mode != stream.Delayed || len(there.Models["ranker"].Live) != 1 || there.Models["popularity"].Live != nil {
		t.Errorf("read %+v, %v", there, err)
	}
}

// What a user had and the window shows no longer takes up a place in vain.
func TestExecute_filterSeen(t *testing.T) {
	o := options(t, 200)
	o.FilterSeen, o.Models = true, []string{"ranker"}
	r, err := stream.Execute(t.Context(), o, stream.Kit{System: patiently(Open(settings(t, map[string]string{"window.len": "2"}), slog.New(slog.DiscardHandler), "test"))})
	if err != nil {
		t.Fatal(err)
	}
	m := r.Models["ranker"]
	if m.Repeat.Events != 0 || m.Events != r.Events || m.Live[0].Struck == 0 || m.ShortLists == 0 {
		t.Errorf("%+v", m)
	}
}

// stopper ends the evaluation after some lines.
type stopper struct {
	lines int
	stop  context.CancelFunc
}

func (s *stopper) Add(n int) {
	if s.lines -= n; s.lines < 0 {
		s.stop()
	}
}

func (s *stopper) Done() {}

// An interrupt ends the replay and everything that ran for it, and writes nothing.
func TestExecute_interrupted(t *testing.T) {
	o := options(t, 5000)
	o.Models = []string{"ranker"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kit := stream.Kit{System: Open(settings(t, nil), slog.New(slog.DiscardHandler), "test"), Watch: func(string, int) stream.Progress { return &stopper{500, cancel} }}
	_, err := stream.Execute(ctx, o, kit)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Out, evaluation.FileResult)); !os.IsNotExist(err) {
		t.Errorf("results of half a replay: %v", err)
	}
}

// Keys and certificates of production do not shut an evaluation out of its own application. Its second run has the seed after the one that is set.
func TestOpen_needsNoKeys(t *testing.T) {
	dir := t.TempDir()
	keys, cert := filepath.Join(dir, "keys"), linktest.New(t).Issue("shop.example")
	key, _, err := access.NewKey(access.Key{Name: "shop", Scopes: []access.Scope{access.Read}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := access.Edit(keys, func(f *access.File) error { f.Keys = append(f.Keys, key); return nil }); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]map[string]string{
		"keys":         {"trainer.seed": "5", "serve.access.keys_file": keys},
		"certificates": {"trainer.seed": "5", "serve.tls.cert_file": cert.CertFile, "serve.tls.key_file": cert.KeyFile, "serve.access.keys_file": keys, "serve.listen": "0.0.0.0:0", "serve.admin_listen": "0.0.0.0:0"},
	} {
		t.Run(name, func(t *testing.T) {
			var logs strings.Builder
			s, err := Open(settings(t, set), slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelWarn})), "test")(t.Context(), stream.SystemConfig{Model: evaluation.Ranker, Seed: 2})
			if err != nil {
				t.Fatal(err)
			}
			if got := rival.SeedOf(s, 2); got != 6 {
				t.Errorf("seed %d, want 6", got)
			}
			a, err := s.(*System).client.recommend(t.Context(), "u", false)
			if err := errors.Join(err, s.Close()); err != nil || !strings.Contains(logs.String(), "serve.access") {
				t.Errorf("answer %+v, %v, logs %s", a, err, logs.String())
			}
		})
	}
}

func TestOpen_namesWhatCannotBe(t *testing.T) {
	open := Open(settings(t, nil), slog.New(slog.DiscardHandler), "test")
	if _, err := open(t.Context(), stream.SystemConfig{Model: evaluation.SFT, Seed: 1}); err == nil || !strings.Contains(err.Error(), "model sft: trainer.learner counts tunes no network") {
		t.Errorf("got %v", err)
	}
	cfg := settings(t, map[string]string{"redis.addrs": "127.0.0.1:1", "data_dir": "somewhere", "trainer.learner": "text"}).Config
	err := Check(cfg, nil)
	for _, want := range []string{"leave kafka.brokers and redis.addrs empty", "leave data_dir and models.dir empty", "trainer.learner text: want a language model in --model"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	for learner, want := range map[string]string{"counts": "model sft: trainer.learner counts tunes no network", "sequence": "", "text": ""} {
		cfg := settings(t, map[string]string{"trainer.learner": learner, "text.model": "some-model"}).Config
		if err := Check(cfg, []string{evaluation.SFT, evaluation.Ranker}); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("learner %s: got %v, want %q", learner, err, want)
		}
		if err := Check(cfg, []string{evaluation.Ranker}); err != nil {
			t.Error(err)
		}
	}
}

// The last question about dead letters may take as long as it likes: what was known before it holds. Other faults and an interrupt are errors.
func TestSettled_keepsWhatItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, began := 0, time.Now()
		hangs := func(ctx context.Context) (int64, int64, error) {
			if asked++; asked < 4 {
				return 90, 2, nil
			}
			<-ctx.Done()
			return 0, 0, fmt.Errorf("read the ingest status: %w", ctx.Err())
		}
		if dead, err := settled(t.Context(), 100, hangs); dead != 2 || err != nil || time.Since(began) != settle {
			t.Errorf("a question without an answer: %d after %s, %v", dead, time.Since(began), err)
		}
		behind := func(context.Context) (int64, int64, error) { return 99, 3, nil }
		if dead, err := settled(t.Context(), 100, behind); dead != 3 || err != nil {
			t.Errorf("an ingest that stays behind: %d, %v", dead, err)
		}
		busy := 0
		slow := func(context.Context) (int64, int64, error) {
			if busy++; busy < 3 { // as a connection says it whose read timeout is over
				return 0, 0, fmt.Errorf("read the ingest status: %w", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded})
			}
			return 100, 4, nil
		}
		if dead, err := settled(t.Context(), 100, slow); dead != 4 || err != nil {
			t.Errorf("answers that come too late: %d, %v", dead, err)
		}
		down := errors.New("down")
		if _, err := settled(t.Context(), 100, func(context.Context) (int64, int64, error) { return 0, 0, down }); !errors.Is(err, down) {
			t.Errorf("a fault: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := settled(ctx, 100, behind); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an interrupt: %v", err)
		}
	})
}

func TestCountRounds(t *testing.T) {
	refreshed := &schema.Refresh{Verdict: schema.VerdictPromoted}
	rounds := []schema.Round{
		{Round: 0, Learner: "counts", Verdict: schema.VerdictPromoted},
		{Round: 1, Learner: "sequence", Verdict: schema.VerdictPromoted, Refresh: refreshed, Seconds: 2},
		{Round: 2, Learner: "sequence", Verdict: schema.VerdictRefused, Refresh: refreshed, Seconds: 4},
		{Round: 3, Learner: "counts", Verdict: schema.VerdictPromoted},
		{Round: 4, Learner: "sequence", Verdict: schema.VerdictFailed},
		{Round: 5, Learner: "sequence", Verdict: schema.VerdictRolledBack, Rollback: &schema.Trial{}},
	}
	var l evaluation.Live
	countRounds(&l, rounds)
	if l.Rounds != 5 || l.Promoted != 1 || l.Refreshed != 3 || l.FailedRounds != 1 || l.RolledBack != 1 || l.RoundSeconds.Max != 4 {
		t.Errorf("%+v", l)
	}
}
