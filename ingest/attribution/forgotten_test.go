package attribution

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/softrec/softrec/schema"
)

// usersOf are users whose lists are in one bucket.
func usersOf(bucket, n int) (all []string) {
	for i := 0; len(all) < n; i++ {
		if user := fmt.Sprint("u", i); bucketOf(user) == bucket {
			all = append(all, user)
		}
	}
	return all
}

// forget applies tombstones, a millisecond apart.
func (st *stand) forget(from time.Time, users ...string) {
	st.t.Helper()
	recs := make([]Record, len(users))
	for i, user := range users {
		st.off[Interactions]++
		recs[i] = Record{Offset: st.off[Interactions], Time: from.Add(time.Duration(i) * time.Millisecond), Forget: user}
	}
	if err := st.s.Apply(st.t.Context(), Interactions, recs); err != nil {
		st.t.Fatal(err)
	}
}

func (st *stand) stored(bucket int) (t totals, size int) {
	st.t.Helper()
	text, err := st.mr.Get(st.s.keys.Attribution(bucket))
	if err != nil {
		st.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		st.t.Fatal(err)
	}
	return t, len(text)
}

func (st *stand) hasLists(user string) bool {
	return st.mr.Exists(st.s.keys.AttributionLast(bucketOf(user), user))
}

// However many users are forgotten, a bucket keeps the newest of them and one time for all before; nobody's list from before a tombstone is
// taken. Each batch once decoded and wrote all of the last hour's.
func TestStore_manyAreForgotten(t *testing.T) {
	st := newStand(t)
	users := usersOf(3, 10*maxForgotten+1)
	users, other := users[1:], users[0]
	for from := 0; from < len(users); from += 500 {
		st.forget(noon.Add(time.Duration(from)*time.Millisecond), users[from:min(from+500, len(users))]...)
	}
	oldest := noon.Add(time.Duration(len(users)-maxForgotten-1) * time.Millisecond) // of those that are not told apart
	if got, size := st.stored(3); len(got.Forgotten) != maxForgotten || got.ForgottenBefore != oldest.UnixMilli() || size > 40*maxForgotten {
		t.Errorf("%d users in %d bytes, everybody before %d ms; want %d, everybody before %d ms", len(got.Forgotten), size, got.ForgottenBefore, maxForgotten, oldest.UnixMilli())
	}
	for _, i := range []int{0, len(users) / 2, len(users) - maxForgotten, len(users) - 1} {
		st.impressions(impression(idAt(noon.Add(time.Duration(i)*time.Millisecond), i), users[i], "live", "r1", "a"))
		if st.hasLists(users[i]) {
			t.Errorf("user %d is back by a list from before the tombstone", i)
		}
	}
	st.impressions(impression(idAt(oldest.Add(time.Millisecond), 1), other, "live", "r1", "a"), impression(idAt(noon.Add(10*time.Second), 1), users[0], "live", "r1", "a"))
	if !st.hasLists(other) || !st.hasLists(users[0]) {
		t.Errorf("a list of somebody who was not forgotten is there: %v; one from after the tombstone: %v", st.hasLists(other), st.hasLists(users[0]))
	}
	st.pass(st.s.cfg.Window + time.Hour)
	st.impressions(impression(idAt(st.now, 3), other, "live", "r1", "a"))
	if got, _ := st.stored(3); len(got.Forgotten) != 0 || got.ForgottenBefore != 0 {
		t.Errorf("after the window %d users are kept, and everybody before %d", len(got.Forgotten), got.ForgottenBefore)
	}
}

// A tombstone by a clock that is years ahead counts as of now, and goes like the others; so does one that an earlier build noted.
func TestStore_forgottenByAClockAhead(t *testing.T) {
	st := newStand(t)
	st.impressions(impression(idAt(noon, 1), "ann", "live", "r1", "a"))
	st.forget(noon.AddDate(10, 0, 0), "ann")
	if st.hasLists("ann") {
		t.Error("the list is there")
	}
	st.pass(3 * early)
	st.impressions(impression(idAt(st.now, 2), "ann", "live", "r1", "a"))
	if !st.hasLists("ann") {
		t.Error("a user who came back has no list")
	}
	b := bucketOf("ann")
	old, _ := st.stored(b)
	old.Forgotten = map[uint64]int64{userHash("ann"): noon.AddDate(10, 0, 0).UnixMilli()}
	text, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.mr.Set(st.s.keys.Attribution(b), string(text)); err != nil {
		t.Fatal(err)
	}
	st.forget(st.now, usersOf(b, 1)...)
	st.pass(st.s.cfg.Window + time.Hour)
	st.impressions(impression(idAt(st.now, 3), "ann", "live", "r1", "a"))
	if got, _ := st.stored(b); len(got.Forgotten) != 0 || !st.hasLists("ann") {
		t.Errorf("kept: %v, a list: %v", got.Forgotten, st.hasLists("ann"))
	}
}

// Arms are told apart as far as there are not too many; those that were not used for longest are added up, in totals and metrics. Where an earlier
// build has dropped their names, those with fewest answers count as the oldest.
func TestStore_armsAreBounded(t *testing.T) {
	st, made := newStand(t), 0
	answer := func(arm string) string {
		for made++; bucketOf(idAt(noon, made)) != 5; made++ { // each bucket folds by itself
		}
		st.impressions(impression(idAt(noon, made), "", arm, "r1", "a"))
		return idAt(noon, made)
	}
	first := answer("arm000")
	for i := range 100 {
		answer(fmt.Sprintf("arm%03d", i))
		answer("live")
	}
	st.events(event("u", "a", "view", first, noon.Add(time.Second)))
	check := func(told int, olds int64) {
		t.Helper()
		got := st.totals()
		if len(got.Arms) != maxArms+1 || len(got.Sources) != maxArms+1 {
			t.Fatalf("%d rows of arms, %d of sources; want %d", len(got.Arms), len(got.Sources), maxArms+1)
		}
		for _, r := range got.Arms {
			want := int64(1)
			switch r.Arm {
			case "live":
				want = 100
			case schema.OlderArms:
				want = olds
			}
			if r.Answers != want || r.Arm < fmt.Sprintf("arm%03d", told) || (r.Clicked == 1) != (r.Arm == schema.OlderArms) {
				t.Errorf("%+v", r)
			}
		}
	}
	check(100-maxArms+1, 101-maxArms+1)
	if n := testutil.CollectAndCount(st.s.metrics.answers, "softrec_attribution_answers_total"); n != maxArms+1 {
		t.Errorf("%d label sets", n) // shown by each arm; clicked by those that are not told apart
	}
	key := st.s.keys.Attribution(5)
	text, err := st.mr.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	from, to := strings.Index(text, `"arm_names"`), strings.Index(text, `"arms"`)
	if err := st.mr.Set(key, text[:from]+text[to:]); err != nil {
		t.Fatal(err)
	}
	answer("arm100")
	check(100-maxArms+2, 101-maxArms+2)
}
