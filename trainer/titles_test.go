package trainer

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// shelf is a catalogue whose titles come when they are put there.
type shelf struct{ filled atomic.Bool }

func (s *shelf) Item(id string) (schema.Item, bool) {
	return schema.Item{ID: id, Title: "thing " + id}, s.filled.Load()
}

// A round takes the titles that are there when it begins; a model of before goes on without.
func TestTrainer_titlesComeWithTheNextRound(t *testing.T) {
	b := newBench(t, stream(t, 1, 1, 20, 40, 700)[0])
	shelf := &shelf{}
	b.titles = shelf
	titled := func(version string) int {
		t.Helper()
		_, files, err := b.store.Read(context.Background(), version)
		if err != nil {
			t.Fatal(err)
		}
		bundle, err := ranker.Decode(files)
		if err != nil {
			t.Fatal(err)
		}
		if bundle.Words == nil {
			return 0
		}
		return bundle.Words.Titled()
	}
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	shelf.filled.Store(true)
	b.topic.release(200)
	until(t, "round 1", b.checkpointed(1))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	rounds := b.pub.rounds(t)
	if n := titled(rounds[0].ModelVersion); n != 0 {
		t.Errorf("the first answers know %d titles that came later", n)
	}
	live := rounds[1].ModelVersion
	if live == rounds[0].ModelVersion {
		t.Fatalf("round 1 brought no model: %s", rounds[1].Reason)
	}
	if n := titled(live); n < 30 {
		t.Errorf("round 1 knows %d titles, want all that were interacted with", n)
	}
}
