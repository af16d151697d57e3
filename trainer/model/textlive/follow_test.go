package textlive

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/titles"
)

func TestRun_goesOnAfterFaultsAndTakesTheNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shop, enc := &shelf{}, &bag{}
		r := newRuntime(t, enc, shop, "")
		for i := range 100 {
			shop.put(fmt.Sprint("i", i), fmt.Sprintf("thing%d", i))
		}
		first := true
		arrived := make(chan struct{})
		enc.began = func() {
			time.Sleep(r.cfg.Interval) // what a batch takes
			switch _, ready := r.Title("late"); {
			case first:
				first = false
				shop.put("late", "breaking news")
			case ready:
				select {
				case <-arrived:
				default:
					if r.Len() > 20 {
						t.Errorf("the newest title came after %d others", r.Len())
					}
					close(arrived)
				}
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		<-arrived
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		enc.began = nil
		enc.fail(errBroken)
		shop.put("x", "another one")
		if err := r.Sync(context.Background()); err == nil {
			t.Error("a broken encoder is no fault")
		}
		if len(ask2(r)) != 0 {
			t.Error("a broken encoder reads")
		}
		enc.fail(nil)
		sync1(t, r)
		if r.Len() != 102 || r.Waiting() != 0 {
			t.Errorf("%d titles, %d waiting", r.Len(), r.Waiting())
		}
	})
}

// ask2 returns no readings where the encoder fails.
func ask2(r *Runtime) []ranker.Reading {
	out, err := r.Read(context.Background(), nil, [][]schema.Interaction{history("i1")})
	if err != nil {
		return nil
	}
	return out
}

// restless is a catalogue that has changed whenever somebody looks.
type restless struct {
	shelf
	looks, changes atomic.Int64
}

func (r *restless) Version() int64 { return r.changes.Add(1) }

func (r *restless) All() iter.Seq[schema.Item] {
	r.looks.Add(1)
	return r.shelf.All()
}

// A catalogue that never rests costs a look an interval, and starves no title.
func TestRun_underACatalogueThatNeverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shop, enc := &restless{}, &bag{}
		for i := range 500 {
			shop.put(fmt.Sprint("i", i), fmt.Sprintf("thing%d", i))
		}
		enc.began = func() { time.Sleep(10 * time.Millisecond) }
		r := startWith(t, DefaultConfig(), enc, shop, "", nil)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		const seconds = 10
		time.Sleep(time.Second)
		synctest.Wait()
		if n := r.Len(); n != 500 || r.Waiting() != 0 {
			t.Errorf("%d of 500 titles after a second, in which 800 can be encoded; %d waiting", n, r.Waiting())
		}
		time.Sleep((seconds - 1) * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n, most := shop.looks.Load(), int64(seconds*time.Second/r.cfg.Interval)+1; n > most || n < most/2 {
			t.Errorf("%d looks at the catalogue, want at most %d", n, most)
		}
		if enc.count() != 500 {
			t.Errorf("%d titles encoded", enc.count())
		}
	})
}

// A pass under such a catalogue encodes something, however long the look took, and ends.
func TestSync_encodesBeforeItLooksAgain(t *testing.T) {
	shop, enc := &restless{}, &bag{}
	for i := range 20 {
		shop.put(fmt.Sprint("i", i), fmt.Sprintf("thing%d", i))
	}
	r := newRuntime(t, enc, shop, "")
	for r.Len() < 20 {
		before := r.Len()
		if sync1(t, r); r.Len() == before {
			t.Fatalf("a pass encoded nothing, %d titles wait", r.Waiting())
		}
	}
}

// extended is a tokenizer with one token more than the model.
type extended struct{ words }

func (e extended) Encode(text string) []int32 {
	out, extra := e.words.Encode(text), e.words.Encode("extra")[0]
	for i := range out {
		if out[i] == extra {
			out[i] = math.MaxInt32
		}
	}
	return out
}

func (e extended) EncodePlain(text string) []int32 { return e.Encode(text) }

// A token that the model does not know is left out of a title, and stops no other.
func TestSync_titleWithATokenThatTheModelDoesNotKnow(t *testing.T) {
	shop, enc := &shelf{}, &bag{}
	cfg := DefaultConfig()
	reader, err := NewVectorReader(enc, extended{}, titles.DefaultRender(), 0.05, cfg.Pieces)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(cfg, Deps{Reader: reader, Tokenizer: extended{}, Catalogue: shop, Model: "bag"})
	if err != nil {
		t.Fatal(err)
	}
	shop.put("plain", "blue mug")
	shop.put("mixed", "red extra lamp")
	shop.put("like", "red lamp")
	shop.put("none", "extra")
	sync1(t, r)
	if _, ok := r.Title("none"); ok || r.Len() != 3 || r.Waiting() != 0 {
		t.Errorf("%d titles, %d waiting; the one without a token is ready: %v", r.Len(), r.Waiting(), ok)
	}
	_, mixed, _ := r.Item("mixed")
	_, like, _ := r.Item("like")
	if len(mixed) == 0 || fmt.Sprint(mixed) != fmt.Sprint(like) {
		t.Errorf("vector %v, want that of the tokens the model knows, %v", mixed, like)
	}
	if text := ask(t, r, history("mixed", "none")); best(text, history("mixed")) != "like" {
		t.Errorf("its history is nearest to %s", best(text, history("mixed")))
	}
	render := titles.DefaultRender()
	render.Separator = "extra"
	if _, err := NewVectorReader(enc, extended{}, render, 0.05, cfg.Pieces); err == nil {
		t.Error("a separator that the model does not know")
	}
}
