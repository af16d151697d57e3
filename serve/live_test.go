package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/pace"
)

func TestModels_followThePointer(t *testing.T) {
	st := newStack(t).stock(5).refresh()
	if st.s.Live() != nil {
		t.Fatal("live without a model")
	}
	st.model("v1", names(5)...)
	if v := st.recommend("/v1/recommend/u").ModelVersion; v != "v1" {
		t.Errorf("version %q", v)
	}
	st.model("v2", names(5)...)
	st.models.mu.Lock()
	st.models.current = "v1" // a roll-back
	st.models.mu.Unlock()
	st.refresh()
	if v := st.recommend("/v1/recommend/u").ModelVersion; v != "v1" {
		t.Errorf("version %q after a roll-back", v)
	}
	m := into[ModelList](t, st.do("GET", "/v1/models", ""), 200)
	if m.Current != "v1" || m.Loaded != "v1" || len(m.History) != 2 || m.Manifests[0].Version != "v2" {
		t.Errorf("models %+v", m)
	}
}

// paced wraps a store of snapshots and says of each reading whether it gave way.
type paced struct {
	Snapshots
	read func(ctx context.Context)
}

func (p paced) Read(ctx context.Context, version string) (schema.Manifest, map[string][]byte, error) {
	p.read(ctx)
	return p.Snapshots.Read(ctx, version)
}

// Models are read as fast as can be before the server answers, and while there is none to answer with; they give way from then on, unless the share
// says otherwise. One to roll back to is read once, and nobody waits for rests of it.
func TestModels_aReadingGivesWayOnceAModelAnswers(t *testing.T) {
	for share, want := range map[float64][]bool{0.25: {false, false, true, false}, 1: {false, false, false, false}} {
		var read, decoded []bool
		st := newStack(t, func(c *Config, d *Deps) {
			c.ModelShare = share
			d.Snapshots = paced{d.Snapshots, func(ctx context.Context) { read = append(read, pace.Of(ctx) != nil) }}
			d.Decode = func(ctx context.Context, files map[string][]byte) (Ranker, error) {
				decoded = append(decoded, pace.Of(ctx) != nil)
				return decodeFake(ctx, files)
			}
		})
		st.model("v1", names(5)...).model("v2", names(5)...)
		st.s.models.answers.Store(true) // as Run does
		st.model("v3", names(5)...)
		if r := st.do("POST", "/v1/models/rollback", `{"from":"v3"}`); r.Code != 200 || st.s.Live().version() != "v2" {
			t.Errorf("share %v: rolled back to %s, status %d: %s", share, st.s.Live().version(), r.Code, r.Body)
		}
		if !slices.Equal(read, want) || !slices.Equal(decoded, want) {
			t.Errorf("share %v: read with rests %v, decoded %v, want %v", share, read, decoded, want)
		}
	}
}

// One to roll back to that comes between a reading's look for it and the reading's beginning is not made to wait for rests.
func TestModels_aReadingThatBeginsWhileSomebodyWaitsDoesNotRest(t *testing.T) {
	var rested time.Duration
	st := newStack(t, func(_ *Config, d *Deps) {
		d.Snapshots = paced{d.Snapshots, func(ctx context.Context) {
			if p := pace.Of(ctx); p != nil {
				time.Sleep(2 * time.Millisecond) // work, by the clock of the bubble below
				began := time.Now()
				p.Did(1 << 20)
				rested = time.Since(began)
			}
		}}
	}).model("v1", names(5)...)
	st.s.models.answers.Store(true)
	st.models.publish("v2", &fakeRanker{Vocab: names(5)})
	synctest.Test(t, func(t *testing.T) {
		for waiting, rests := range []bool{true, false} {
			st.s.models.waiting.Store(int64(waiting)) // as goLive does before it looks for a reading
			if _, err := st.s.models.fetch(t.Context(), "v2"); err != nil || (rested > 0) != rests {
				t.Errorf("with %d waiting it rested for %s: %v", waiting, rested, err)
			}
		}
	})
}

// While the watcher reads one model and an arm another, the one to roll back to waits for rests of neither: the arm's reading took the watcher's
// place, and that one went on resting.
func TestModels_whoWaitsHurriesEveryReading(t *testing.T) {
	var hold func()
	var rested atomic.Int64
	st := newStack(t, func(_ *Config, d *Deps) {
		d.Snapshots = paced{d.Snapshots, func(ctx context.Context) {
			if p := pace.Of(ctx); p != nil {
				hold()
				time.Sleep(2 * time.Millisecond) // work, by the clock of the bubble below
				began := time.Now()
				p.Did(1 << 20)
				if time.Since(began) > 0 {
					rested.Add(1)
				}
			}
		}}
	}).model("v1", names(5)...)
	st.s.models.answers.Store(true)
	for _, v := range []string{"v2", "v3", "v4"} {
		st.models.publish(v, &fakeRanker{Vocab: names(5)})
	}
	st.models.mu.Lock()
	st.models.current = "v1"
	st.models.mu.Unlock()
	synctest.Test(t, func(t *testing.T) {
		for _, done := range []bool{false, true} { // the arm's reading is under way or has ended
			release := make(chan struct{})
			hold = func() { <-release }
			var both sync.WaitGroup
			read := func(v string) {
				if _, err := st.s.models.fetch(t.Context(), v); err != nil {
					t.Error(err)
				}
			}
			both.Go(func() { read("v2") })
			synctest.Wait()
			if done {
				hold = func() {}
				read("v4")
				rested.Store(0)
			} else {
				both.Go(func() { read("v3") })
				synctest.Wait()
			}
			if err := st.s.models.goLive(t.Context(), st.s.Live()); err != nil {
				t.Error(err)
			}
			close(release)
			both.Wait()
			if n := rested.Load(); n > 0 {
				t.Errorf("arm's reading over: %v: %d readings rested while somebody waited", done, n)
			}
		}
	})
	st.s.models.hurries.Range(func(any, any) bool { t.Error("a reading that has ended is kept"); return true })
}

// Two roll-backs at once, of which the older comes late to the watcher: neither takes away what the other has read.
func TestModels_twoRollBacksAtOnce(t *testing.T) {
	var reads atomic.Int64
	st := newStack(t, func(_ *Config, d *Deps) { d.Snapshots = paced{d.Snapshots, func(context.Context) { reads.Add(1) }} })
	for _, v := range []string{"v1", "v2", "v3"} {
		st.model(v, names(5)...)
	}
	m := st.s.models
	older := map[string]*Live{}
	for _, v := range []string{"v1", "v2"} {
		var err error
		if older[v], err = m.load(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	st.models.mu.Lock()
	st.models.current = "v1"
	st.models.mu.Unlock()
	reads.Store(0)
	m.mu.Lock() // a poll is under way
	var both sync.WaitGroup
	for i, v := range []string{"v1", "v2"} { // v3 to v2 was first in the registry
		both.Go(func() {
			if err := m.goLive(t.Context(), older[v]); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "a roll-back waits", func() bool { return m.waiting.Load() == int64(i+1) })
	}
	m.mu.Unlock()
	both.Wait()
	if v := st.s.Live().version(); v != "v1" || reads.Load() > 0 {
		t.Errorf("%s is live, %d snapshots were read once more", v, reads.Load())
	}
	m.ready.Range(func(v, _ any) bool { t.Errorf("%s is kept", v); return true })
}

func TestModels_badSnapshotKeepsTheOld(t *testing.T) {
	st := newStack(t).stock(5).model("v1", names(5)...)
	for i, files := range []map[string][]byte{
		{"model.json": []byte(`{`)}, {"other": nil}, {"model.json": []byte("panic")},
	} {
		version := fmt.Sprintf("bad%d", i)
		st.models.publishRaw(version, files)
		if err := st.s.models.poll(t.Context()); err == nil || !strings.Contains(err.Error(), version) || !strings.Contains(err.Error(), `keeping "v1"`) {
			t.Errorf("poll: %v", err)
		}
		if a := st.recommend("/v1/recommend/u"); a.ModelVersion != "v1" || len(a.Items) != 5 {
			t.Errorf("answer %+v", a)
		}
	}
	st.models.mu.Lock()
	reads := st.models.reads
	st.models.mu.Unlock()
	for range 5 {
		if err := st.s.models.poll(t.Context()); err != nil {
			t.Errorf("a bad snapshot is reported before it is tried again: %v", err)
		}
	}
	if st.models.reads != reads {
		t.Error("a bad snapshot is read at every poll")
	}
	st.advance(2 * firstReload)
	if err := st.s.models.poll(t.Context()); err == nil || st.models.reads != reads+1 {
		t.Error("a bad snapshot is not tried again")
	}
	st.wantMetric("softrec_serve_model_load_failures_total 4")
	st.models.publish("v2", &fakeRanker{Vocab: names(5)})
	if err := st.s.models.poll(t.Context()); err != nil || st.s.Live().version() != "v2" {
		t.Errorf("a good model after a bad one: %v", err)
	}
	st.models.err = errors.New("redis is away")
	if err := st.s.models.poll(t.Context()); err == nil || st.s.Live().version() != "v2" {
		t.Errorf("registry away: %v, live %q", err, st.s.Live().version())
	}
}

// A server that starts beside an unreadable live snapshot answers with the newest older one that can be read, and says so.
func TestModels_startsBesideABadSnapshot(t *testing.T) {
	st := newStack(t).stock(5)
	st.models.publish("v1", &fakeRanker{Vocab: names(5)})
	st.models.publishRaw("bad", map[string][]byte{"model.json": []byte("{")})
	if err := st.s.models.poll(t.Context()); err == nil {
		t.Error("a bad snapshot is not reported")
	}
	if a := st.recommend("/v1/recommend/u"); a.ModelVersion != "v1" || !strings.Contains(a.Degraded, "bad cannot be read, answered with v1") {
		t.Errorf("answer %+v", a)
	}
	st.models.publish("v2", &fakeRanker{Vocab: names(5)})
	if err := st.s.models.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := st.recommend("/v1/recommend/u"); a.ModelVersion != "v2" || a.Degraded != "" {
		t.Errorf("answer %+v", a)
	}
}

// TestSwap_noRequestFails swaps the model a hundred times under load: every answer is whole, and is that of exactly one
// model.
func TestSwap_noRequestFails(t *testing.T) {
	st := newStack(t).stock(40).model("v0", names(40)...)
	st.click("u", "i001")
	stop := make(chan struct{})
	var load sync.WaitGroup
	var answers atomic.Int64
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := st.recommend("/v1/recommend/u?filter_seen=true")
				want := (&fakeRanker{Salt: a.ModelVersion, Vocab: names(40)}).list(10, "i001", schema.SourceModel, func(id string) bool { return id != "i001" })
				for i, it := range a.Items {
					if len(a.Items) != 10 || it.ID != want[i].Item {
						t.Errorf("the answer of %s is another model's", a.ModelVersion)
						return
					}
				}
				answers.Add(1)
			}
		})
	}
	for i := range 100 {
		st.model(fmt.Sprintf("v%d", i+1), names(40)...)
		had := answers.Load()
		eventually(t, "answers between two swaps", func() bool { return answers.Load() > had })
	}
	close(stop)
	load.Wait()
	if answers.Load() < 100 || st.s.models.swaps.Load() != 101 {
		t.Errorf("%d answers, %d swaps", answers.Load(), st.s.models.swaps.Load())
	}
	st.wantMetric("softrec_serve_panics_total 0")
}

func TestModels_runLogsAFaultOnce(t *testing.T) {
	st := newStack(t)
	st.models.err = errors.New("no registry today")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { st.s.models.run(ctx, time.Millisecond) })
	eventually(t, "the fault is logged", func() bool { return strings.Contains(st.logs.String(), "no registry today") })
	st.models.mu.Lock()
	st.models.err = nil
	st.models.mu.Unlock()
	eventually(t, "the recovery is logged", func() bool { return strings.Contains(st.logs.String(), "followed again") })
	cancel()
	wg.Wait()
	if n := strings.Count(st.logs.String(), "no registry today"); n != 1 {
		t.Errorf("the fault is logged %d times", n)
	}
}
