package app

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// movingPointer is a registry whose live model is another one at every look.
type movingPointer struct {
	versions []string
	err      error
}

func (m *movingPointer) Current(context.Context) (string, error) {
	if m.err != nil {
		return "", m.err
	}
	v := m.versions[0]
	m.versions = m.versions[1:]
	return v, nil
}

func (m *movingPointer) Retreat(_ context.Context, _, version string) (string, error) {
	return version, nil
}

func (m *movingPointer) History(context.Context) ([]string, error) { return []string{"all"}, nil }

func TestStage_pinsTheLiveModel(t *testing.T) {
	var on atomic.Bool
	inner := &movingPointer{versions: []string{"", "v1", "v2", "v3"}}
	if r := (Stage{}).registry(inner); r != inner {
		t.Error("a stage of nothing changes the registry")
	}
	r := Stage{Pinned: on.Load}.registry(inner)
	look := func(want string) {
		t.Helper()
		if got, err := r.Current(t.Context()); got != want || err != nil {
			t.Errorf("live is %q, want %q: %v", got, want, err)
		}
	}
	on.Store(true)
	look("") // there was none to keep yet
	on.Store(false)
	look("v1")
	look("v2")
	on.Store(true)
	look("v2")
	inner.err = errors.New("away")
	look("v2")
	if h, err := r.History(t.Context()); len(h) != 1 || err != nil {
		t.Errorf("history %v, %v", h, err)
	}
}

// taught notes what it was asked to do.
type taught struct{ plain bool }

func (l *taught) Tune(_ context.Context, task trainer.Task, _ *schema.Round) (trainer.Network, error) {
	l.plain = task.Plain
	return trainer.Network{}, nil
}

func TestStage_tunesPlainly(t *testing.T) {
	for _, want := range []bool{false, true} {
		var l taught
		if _, err := (Stage{Plain: want}).tuner(&l).Tune(t.Context(), trainer.Task{}, nil); err != nil || l.plain != want {
			t.Errorf("plain is %v, want %v: %v", l.plain, want, err)
		}
	}
	if (Stage{Plain: true}).tuner(nil) != nil {
		t.Error("a tuner out of nothing")
	}
}

func TestStage_ranksByItsClock(t *testing.T) {
	if (Stage{}).decoder() != nil {
		t.Error("a stage of nothing changes models")
	}
	at := time.Unix(1_300_000_000, 0)
	decode := Stage{Now: func() time.Time { return at }}.decoder()
	if _, err := decode(t.Context(), nil); err == nil {
		t.Error("a model out of nothing")
	}
	b := oldModel(t, at)
	files, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	live, err := decode(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	late := at.Add(20 * 365 * 24 * time.Hour)
	ask := func(now time.Time) ranker.Request {
		return ranker.Request{Now: now, N: 3, History: []schema.Interaction{{ItemID: "c", Type: "view", Timestamp: at.Add(-time.Hour)}}}
	}
	want := b.Rank(ask(at))
	if len(want) != 3 || slices.EqualFunc(want, b.Rank(ask(late)), same) && slices.EqualFunc(b.Popular(at, 3, nil), b.Popular(late, 3, nil), same) {
		t.Fatalf("time changes nothing in %+v: the test shows nothing", want)
	}
	for _, now := range []time.Time{at, late} {
		if got := live.Rank(ask(now)); !slices.EqualFunc(got, want, same) {
			t.Errorf("ranked %+v, want %+v", got, want)
		}
		if got, want := live.Popular(now, 3, nil), b.Popular(at, 3, nil); !slices.EqualFunc(got, want, same) {
			t.Errorf("popular %+v, want %+v", got, want)
		}
	}
}

func TestBundleOf(t *testing.T) {
	b := oldModel(t, time.Unix(1_300_000_000, 0))
	for _, r := range []serve.Ranker{b, dated{b, time.Now}} {
		if bundleOf(r) != b {
			t.Errorf("%T is not known for the bundle it is", r)
		}
	}
	if bundleOf(nil) != nil {
		t.Error("a bundle out of nothing")
	}
}

func same(a, b ranker.Scored) bool { return a.Item == b.Item && a.Score == b.Score }

// oldModel is counts of a log that ended at the given time, and a mixing model that reads how long ago an item was last seen.
func oldModel(t *testing.T, at time.Time) *ranker.Bundle {
	t.Helper()
	l := ranker.Layout()
	weights := make([]float64, len(l.Item))
	weights[slices.Index(l.Item, "popular")], weights[slices.Index(l.Item, "item_idle")] = 1, -1
	m, err := mixer.Linear(l, weights)
	if err != nil {
		t.Fatal(err)
	}
	v, c := vocab.New(), counts.NewCounts(counts.DefaultConfig())
	for i, item := range []string{"a", "b", "c", "a", "b", "a"} {
		c.Update(counts.Observation{Item: v.Add(item), User: uint64(1 + i), Time: at.Add(time.Duration(i-9) * 24 * time.Hour)})
	}
	b, err := ranker.New(v, c, nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
