package serve

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

// gone are deletions as a test wants them, of which none is confirmed anywhere.
type gone struct {
	Deletions
	emptied   []schema.Deletion
	count     int64
	missed    bool
	confirmed []string
}

func (g *gone) Since(context.Context, int64) ([]schema.Deletion, int64, bool, error) {
	return g.emptied, g.count, g.missed, nil
}

func (g *gone) ItemsSince(context.Context, int64) ([]schema.Deletion, int64, bool, error) {
	return nil, g.count, g.missed, nil
}

func (g *gone) ConfirmAll(_ context.Context, ids []string, _ time.Time, _ ...string) (int, error) {
	g.confirmed = append(g.confirmed, ids...)
	return len(ids), nil
}

func withGone(g *gone) func(*Config, *Deps) { return func(_ *Config, d *Deps) { d.Deletions = g } }

// listsOf puts a list of each user into the cache.
func (st *stack) listsOf(users ...string) {
	for _, user := range users {
		st.s.cache.put(cacheKey{user: user}, []schema.AnswerItem{{ID: "i", Source: schema.SourceModel}})
	}
}

// cached are the users with a list in the cache.
func (st *stack) cached() (users []string) {
	st.s.cache.dropWhere(func(l packed) bool { users = append(users, l.user()); return false })
	slices.Sort(users)
	return users
}

func deletionsOf(users ...string) (all []schema.Deletion) {
	for _, user := range users {
		all = append(all, schema.Deletion{ID: "of-" + user, UserID: user})
	}
	return all
}

func usersNamed(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("u%06d", i)
	}
	return all
}

// To forget many users is one look at the cache: with one for each, a thousand deletions took it from the requests for seconds.
func TestForget_manyUsersCostOneLook(t *testing.T) {
	g := &gone{}
	st := newStack(t, withGone(g))
	users := usersNamed(20_000)
	best := func(n int) time.Duration {
		least := time.Hour
		for range 3 {
			st.listsOf(users...)
			g.emptied, g.count = deletionsOf(users[:n]...), int64(n)
			st.s.oblivion.users = dropped{}
			start := time.Now()
			if err := st.s.forgetUsers(t.Context()); err != nil {
				t.Fatal(err)
			}
			least = min(least, time.Since(start))
		}
		return least
	}
	one, many := best(1), best(1000)
	if many > 100*one {
		t.Errorf("a thousand users take %s, one takes %s", many, one)
	}
	if got := st.cached(); !slices.Equal(got, users[1000:]) {
		t.Errorf("%d lists are left, want those of the others", len(got))
	}
}

// Where more were forgotten than the list holds, lists of everybody go, but for those that were forgotten before the process began: it has
// nothing of them.
func TestForget_moreThanTheListHolds(t *testing.T) {
	for name, c := range map[string]struct {
		first, seen, count int64
		left               []string
	}{
		"all before its time":   {first: 500, count: 500, left: []string{"other"}},
		"one since":             {first: 497, count: 500},
		"Redis lost the list":   {first: 500, seen: 900, count: 500},
		"as many as are listed": {first: 498, count: 500, left: []string{"other"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gone{emptied: deletionsOf("a", "b"), count: c.count, missed: true}
			st := newStack(t, withGone(g))
			st.listsOf("a", "other")
			st.s.oblivion.users.first, st.s.oblivion.users.seen = c.first, c.seen
			for range 2 {
				if err := st.s.forgetUsers(t.Context()); err != nil {
					t.Fatal(err)
				}
				g.emptied, g.missed = nil, false
			}
			if got := st.cached(); !slices.Equal(got, c.left) {
				t.Errorf("lists of %v are left, want %v", got, c.left)
			}
			if !slices.Equal(g.confirmed, []string{"of-a", "of-b"}) {
				t.Errorf("confirmed %v", g.confirmed)
			}
		})
	}
}

// Where everybody's lists go they go twice as those of one user do: a request may have had the window of somebody who is not listed.
func TestForget_everybodyGoesTwice(t *testing.T) {
	g := &gone{emptied: deletionsOf("a"), count: 2, missed: true}
	st := newStack(t, withGone(g), func(_ *Config, d *Deps) { d.Texts = &fakeTexts{} })
	for look, want := range [][]string{nil, nil, {"late"}} {
		st.listsOf("late")
		if err := st.s.forgetUsers(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := st.cached(); !slices.Equal(got, want) {
			t.Errorf("look %d: lists of %v are left, want %v", look, got, want)
		}
		st.s.desk.readings.Add(userKey("late", 1), kept{})
		if err := st.s.forgetItems(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := st.s.desk.readings.Len(); n != len(want) {
			t.Errorf("look %d: %d readings are left, want %d", look, n, len(want))
		}
		g.emptied, g.missed = nil, false
	}
}

// A request that had read the window before it was emptied may take longer than two looks to rank it: its list stood in the cache after
// the deletion was confirmed.
func TestForget_waitsForWhoHasReadTheWindow(t *testing.T) {
	st := newStack(t).stock(30).model("v1", names(30)...)
	st.click("u", "i001")
	ranking, held := make(chan struct{}), make(chan struct{})
	st.s.Live().Ranker.(*fakeRanker).delay = func() { close(ranking); <-held }
	answered := make(chan struct{})
	go func() { defer close(answered); st.do("GET", "/v1/recommend/u", "") }()
	<-ranking
	id := into[UserForgotten](t, st.do("DELETE", "/v1/users/u", ""), 200).Deletion
	confirmed := func() bool {
		t.Helper()
		d, _, err := st.gone.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return !d.Parts[schema.PartServe].IsZero()
	}
	look := func() {
		t.Helper()
		if err := st.s.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		if look(); confirmed() {
			t.Fatal("confirmed while a request ranks the window")
		}
	}
	close(held)
	<-answered
	if got := st.cached(); !slices.Equal(got, []string{"u"}) {
		t.Fatalf("lists of %v, want the one that came late", got)
	}
	look()
	if got := st.cached(); !confirmed() || len(got) > 0 {
		t.Errorf("lists of %v, confirmed: %v", got, confirmed())
	}
}

// settlesAfter asks something that ranks, and must be waited for as long as it does.
func settlesAfter(t *testing.T, what string, ask func(st *stack)) {
	t.Helper()
	st := newStack(t).stock(30).model("v1", names(30)...)
	st.s.Live().Ranker.(*fakeRanker).delay = func() {
		st.s.asking.next()
		if st.s.asking.settled() {
			t.Errorf("nobody waits for a %s", what)
		}
	}
	ask(st)
	if !st.s.asking.settled() {
		t.Errorf("a %s that has ended is waited for", what)
	}
}

// Batches read windows too.
func TestForget_waitsForABatch(t *testing.T) {
	settlesAfter(t, "batch", func(st *stack) { into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u"]}`), 200) })
}

// Sessions are read by the language model too, with items that may be withdrawn meanwhile.
func TestForget_waitsForASession(t *testing.T) {
	settlesAfter(t, "session", func(st *stack) { st.do("POST", "/v1/session/recommend", `{"items":["i001"]}`) })
}

const oneShadow = `{"arms":[],"shadows":[{"name":"next","share":1,"rules":{"categories":["even"]}}]}`

// shadowing is a server with a shadow and nothing at work that would log or compute.
func shadowing(t *testing.T) (*stack, *sinkhole) {
	sink, file := &sinkhole{}, armsFile(t, oneShadow)
	st := newStack(t, func(c *Config, d *Deps) { c.Arms, d.Impressions, c.Impressions.Rate = file, sink, 1e6 })
	return st.stock(20).model("v1", names(20)...), sink
}

// What waits of a forgotten user to be computed or logged goes, and so does what comes of a request that is under way; what waits of others
// stays, in its order, and who comes back is logged again.
func TestForget_shadowsAndImpressionsThatWait(t *testing.T) {
	st, sink := shadowing(t)
	logged := func(shadow bool) (users []string) {
		st.s.impressions.rest(t.Context())
		for _, im := range sink.seen() {
			if im.Shadow == shadow {
				users = append(users, im.UserID)
			}
		}
		return users
	}
	for _, user := range []string{"u", "v", "u", "w"} {
		st.recommend("/v1/recommend/" + user)
	}
	st.s.drop(crowdOf(deletionsOf("u")))
	if n, m := len(st.s.shadows.waiting), len(st.s.impressions.queue); n != 2 || m != 2 {
		t.Errorf("%d shadows and %d impressions wait, want those of v and w", n, m)
	}
	st.recommend("/v1/recommend/u") // had read the window before
	if got := logged(false); !slices.Equal(got, []string{"v", "w"}) {
		t.Errorf("logged answers of %v", got)
	}
	for st.s.shadows.next(t.Context()) {
	}
	if got := logged(true); !slices.Equal(got, []string{"v", "w"}) {
		t.Errorf("logged shadows of %v", got)
	}
	st.s.drop(crowd{}) // the next look
	st.recommend("/v1/recommend/u")
	if got := logged(false); !slices.Equal(got, []string{"v", "w", "u"}) {
		t.Errorf("after the next look, logged answers of %v", got)
	}
}

// A shadow that is being computed when its user is forgotten is not logged any more.
func TestForget_theShadowBeingComputed(t *testing.T) {
	st, sink := shadowing(t)
	for _, user := range []string{"u", "v"} {
		st.recommend("/v1/recommend/" + user)
	}
	st.s.Live().Ranker.(*fakeRanker).delay = func() { st.s.shadows.forget(crowdOf(deletionsOf("u"))) }
	st.logging()
	eventually(t, "the other shadow is logged", func() bool {
		return slices.ContainsFunc(sink.seen(), func(im schema.Impression) bool { return im.Shadow })
	})
	for _, im := range sink.seen() {
		if im.Shadow && im.UserID == "u" {
			t.Errorf("logged %+v", im)
		}
	}
}

// heldSink keeps a batch on its way.
type heldSink struct{ writing, held chan struct{} }

func (h heldSink) Publish(context.Context, []schema.Impression) error {
	h.writing <- struct{}{}
	<-h.held
	return nil
}

// brokenSink panics.
type brokenSink struct{}

func (brokenSink) Publish(context.Context, []schema.Impression) error { panic("no topic") }

// A panic while impressions are written leaves nobody behind who would be waited for.
func TestForget_waitsForNobodyAfterAPanic(t *testing.T) {
	st := newStack(t, func(_ *Config, d *Deps) { d.Impressions = brokenSink{} }).stock(5)
	st.recommend("/v1/recommend/u")
	if !st.s.contained("impressions", func() { st.s.impressions.run(t.Context()) }) {
		t.Fatal("no panic")
	}
	if st.s.asking.next(); !st.s.asking.settled() {
		t.Error("somebody is waited for")
	}
}

// A batch of impressions that is on its way is waited for before a deletion is confirmed.
func TestForget_waitsForImpressionsOnTheirWay(t *testing.T) {
	sink := heldSink{make(chan struct{}), make(chan struct{})}
	st := newStack(t, func(_ *Config, d *Deps) { d.Impressions = sink }).stock(5)
	st.logging()
	st.recommend("/v1/recommend/u")
	<-sink.writing
	st.s.asking.next()
	if st.s.asking.settled() {
		t.Error("nobody waits for the batch")
	}
	close(sink.held)
	eventually(t, "the batch is over", st.s.asking.settled)
}
