package serve

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/softrec/softrec/schema"
)

// Requests at the same time, some answered from cached lists and some not, lay windows into the same spare slices. Each must get the answer
// of its own window. Run it with -race, too.
func TestSpares_answersStayTheirOwn(t *testing.T) {
	const users = 8
	st := newStack(t).stock(50).model("v1", names(50)...)
	want := make([][]string, users)
	for u := range users {
		for i := range 1 + u%3 {
			st.click(fmt.Sprintf("u%d", u), fmt.Sprintf("i%03d", 5*u+i))
		}
		want[u] = ids(st.recommend(fmt.Sprintf("/v1/recommend/u%d?n=12", u))) // another list than the ones asked for below
	}
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for i := range 40 {
				n := 2 + i%10 // the first of each is computed, later ones are cached
				a := st.recommend(fmt.Sprintf("/v1/recommend/u%d?n=%d", u, n))
				if got := ids(a); !slices.Equal(got, want[u][:n]) || a.WindowOffset != int64(1+u%3) {
					t.Errorf("user %d: %v at %d, want %v", u, got, a.WindowOffset, want[u][:n])
				}
			}
		})
	}
	wg.Wait()
	if hits := st.s.cache.hits.Load(); hits != users*30 {
		t.Errorf("%d answers from cached lists, want %d", hits, users*30)
	}
}

func TestSpares_forgetWhatTheyHeld(t *testing.T) {
	var s spares
	s.give(nil)
	room := []schema.Interaction{{ItemID: "i", EventID: "e"}, {ItemID: "of the window before", EventID: "e"}}
	s.give(room[:1])
	if room[0] != (schema.Interaction{}) || room[1] != (schema.Interaction{}) {
		t.Errorf("a user's interactions stay: %+v", room)
	}
	if room := s.take(); room != nil && (len(room) != 0 || cap(room) != 2) { // with -race a pool drops some of what it is given
		t.Errorf("room with %d entries in it, for %d", len(room), cap(room))
	}
}
