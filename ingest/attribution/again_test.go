package attribution

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/softrec/softrec/schema"
)

// step is a record of one of the streams.
type step struct {
	of  Stream
	rec Record
}

// day makes steps in the order of their times: users are shown lists of two arms and of a shadow, click, and are now and then forgotten.
func day(r *rand.Rand, n int) []step {
	var all []step
	ids := map[string][]string{}
	next := map[Stream]int64{}
	for i := range n {
		at, user := noon.Add(time.Duration(i)*time.Second), fmt.Sprint("u", r.IntN(25))
		s := step{of: Interactions, rec: Record{Time: at}}
		item := fmt.Sprint("i", r.IntN(12))
		switch kind := r.IntN(20); {
		case kind < 9:
			id := idAt(at, i)
			im := impression(id, user, []string{"live", "b"}[r.IntN(2)], "r1")
			for k := range 5 {
				im.Items = append(im.Items, schema.Shown{ID: fmt.Sprint("i", (i+k*5)%12), Source: schema.Sources()[k]})
			}
			if im.Shadow = kind < 2; !im.Shadow {
				ids[user] = append(ids[user], id)
			}
			s.of, s.rec.Impression = Impressions, im
		case kind < 10:
			s.rec.Forget = user
		case kind < 16 && len(ids[user]) > 0:
			s.rec.Event = event(user, item, []string{"view", "click", "purchase"}[r.IntN(3)], ids[user][r.IntN(len(ids[user]))], at)
		default:
			s.rec.Event = event(user, item, "view", "", at)
		}
		s.rec.Offset = next[s.of]
		next[s.of]++
		all = append(all, s)
	}
	return all
}

// only are the records of one stream from a place on.
func only(all []step, of Stream, from int64) (recs []Record) {
	for _, s := range all {
		if s.of == of && s.rec.Offset >= from {
			recs = append(recs, s.rec)
		}
	}
	return recs
}

// A store that was put back to what it was is brought up to date by reading both streams again from places at or before it, all impressions
// before all interactions: its totals are those of a store that was never disturbed.
func TestStore_readAgain(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			all := day(r, 240)
			undisturbed, back := newStand(t), newStand(t)
			apply := func(st *stand, of Stream, recs []Record) {
				t.Helper()
				st.now = noon.Add(10 * time.Minute)
				for part := range slices.Chunk(recs, 1+r.IntN(30)) {
					if err := st.s.Apply(t.Context(), of, part); err != nil {
						t.Fatal(err)
					}
				}
			}
			cut := r.IntN(len(all))
			from := map[Stream]int64{}
			for i, s := range all {
				apply(undisturbed, s.of, []Record{s.rec})
				if i < cut {
					apply(back, s.of, []Record{s.rec})
					from[s.of] = s.rec.Offset + 1
				}
			}
			for _, of := range []Stream{Impressions, Interactions} {
				place := max(0, from[of]-int64(r.IntN(40)))
				apply(back, of, only(all, of, place))
			}
			want, got := undisturbed.totals(), back.totals()
			if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("put back at %d: %s", cut, diff)
			}
			if scored := undisturbed.outcome(OutcomeScored); scored < 20 || undisturbed.outcome(OutcomeClick) < 5 {
				t.Errorf("%v lists scored, %v clicks: the test shows little", scored, undisturbed.outcome(OutcomeClick))
			}
		})
	}
}

// Of too many lists those go first that a newer one of their arm stands for.
func TestPut_bounds(t *testing.T) {
	var all []list
	all = put(all, list{arm: "rare", at: noon})
	for i := range 3 * maxLists {
		all = put(all, list{arm: "live", at: noon.Add(time.Duration(i) * time.Second)})
	}
	if len(all) != maxLists || all[0].arm != "rare" || !all[maxLists-1].at.Equal(noon.Add((3*maxLists-1)*time.Second)) {
		t.Errorf("%d lists: %v", len(all), all)
	}
	all = nil
	for i := range 2 * maxLists {
		all = put(all, list{arm: fmt.Sprint(i), at: noon})
	}
	if len(all) != maxLists || all[0].arm != fmt.Sprint(maxLists) {
		t.Errorf("%d lists: %v", len(all), all)
	}
}
