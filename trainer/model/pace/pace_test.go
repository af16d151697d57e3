package pace

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever the steps of a computation are, it takes its share of a processor, and never works for much longer than a turn at a stretch.
func TestPacer_takesItsShare(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, share := range []float64{0.02, 0.1, 0.25, 0.5, 0.9} {
		synctest.Test(t, func(t *testing.T) {
			start, worked := time.Now(), time.Duration(0)
			p := New(t.Context(), share)
			since := time.Duration(0)
			for worked < time.Second {
				bytes := 1 + rng.IntN(3*stretch)
				step := time.Duration(bytes) * 2 * time.Nanosecond
				time.Sleep(step) // what a step takes
				worked, since = worked+step, since+step
				if since > turn+2*3*stretch*2*time.Nanosecond {
					t.Fatalf("share %v: %s of work without a rest", share, since)
				}
				before := time.Now()
				p.Did(bytes)
				if time.Since(before) > 0 {
					since = 0
				}
			}
			got := worked.Seconds() / time.Since(start).Seconds()
			if got < share || got > 1.02*share+0.001 {
				t.Errorf("a share of %v took %v", share, got)
			}
		})
	}
}

// A turn that took far longer than it should, as the system had set it aside, is followed by a rest of at most four times the usual one.
func TestPacer_restsOnAfterALongTurnAndNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(t.Context(), 0.25)
		for _, c := range []struct{ worked, want time.Duration }{{turn, 3 * turn}, {2 * turn, 6 * turn}, {time.Minute, 3 * longest}, {turn / 2, 0}} {
			time.Sleep(c.worked)
			before := time.Now()
			p.Did(stretch)
			if got := time.Since(before); got != c.want {
				t.Errorf("a rest of %s after %s of work, want %s", got, c.worked, c.want)
			}
		}
	})
}

// Somebody who waits for the end gets the whole processor, from the middle of a rest on.
func TestPacer_restsNoMoreOnceSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*turn)
		defer cancel()
		p, start := New(ctx, 0.1), time.Now()
		for range 5 {
			time.Sleep(turn)
			p.Did(stretch)
		}
		if got := time.Since(start); got != 6*turn { // one turn, its rest cut short at 2, four more
			t.Errorf("five turns took %s, want %s", got, 6*turn)
		}
	})
}

func TestPacer_withoutOneNothingRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if New(t.Context(), 1) != nil || Of(t.Context()) != nil {
			t.Fatal("a pacer of whom nobody asked")
		}
		start := time.Now()
		var p *Pacer
		p.Did(1 << 30)
		if time.Since(start) != 0 {
			t.Error("no pacer rested")
		}
		own := New(t.Context(), 0.5)
		if Of(With(t.Context(), own)) != own {
			t.Error("a context lost its pacer")
		}
	})
}
