package serve

import (
	"maps"
	"sync"
	"testing"
)

// Whoever comes and goes meanwhile, a turn has settled when nobody of an earlier one is at work, and not before.
func TestTurns(t *testing.T) {
	var turns turns
	var mu sync.Mutex
	atWork := map[int64]int{}
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				turn := turns.enter()
				mu.Lock()
				atWork[turn]++
				mu.Unlock()
				mu.Lock()
				atWork[turn]--
				mu.Unlock()
				turns.leave(turn)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for begun := 0; begun < 1000; {
		on := turns.on.Load()
		if !turns.settled() {
			continue
		}
		mu.Lock()
		for turn, n := range atWork {
			if turn < on && n > 0 {
				t.Errorf("turn %d: %d are at work of turn %d", on, n, turn)
			}
		}
		maps.DeleteFunc(atWork, func(_ int64, n int) bool { return n == 0 })
		mu.Unlock()
		turns.next()
		begun++
	}
	close(done)
	group.Wait()
	turns.next()
	if !turns.settled() {
		t.Error("nobody is at work, and it has not settled")
	}
}

func TestTurns_aSlowOneHoldsTheNextUp(t *testing.T) {
	var turns turns
	slow := turns.enter()
	if !turns.settled() {
		t.Error("who came in the turn that is on holds it up")
	}
	turns.next()
	turns.leave(turns.enter())
	if turns.settled() {
		t.Error("settled before the slow one has left")
	}
	turns.leave(slow)
	if !turns.settled() {
		t.Error("not settled after it")
	}
}
