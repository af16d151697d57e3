package attribution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// stand is a store over miniredis.
type stand struct {
	t   *testing.T
	mr  *miniredis.Miniredis
	rdb *redis.Client
	s   *Store
	reg *prometheus.Registry
	off map[Stream]int64
	now time.Time
}

func newStand(t *testing.T, change ...func(*Config)) *stand {
	t.Helper()
	st := &stand{t: t, mr: miniredis.RunT(t), reg: prometheus.NewRegistry(), off: map[Stream]int64{}, now: noon.Add(time.Minute)}
	st.rdb = redis.NewClient(&redis.Options{Addr: st.mr.Addr()})
	t.Cleanup(func() { _ = st.rdb.Close() })
	cfg := DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if st.s, err = New(st.rdb, schema.NewKeys(""), cfg, WithRegisterer(st.reg), WithClock(func() time.Time { return st.now })); err != nil {
		t.Fatal(err)
	}
	return st
}

// idAt makes a recommendation id of a moment.
func idAt(at time.Time, n int) string {
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, n)
}

func impression(id, user, arm, model string, items ...string) *schema.Impression {
	at, _ := answeredAt(id)
	im := &schema.Impression{RecommendationID: id, UserID: user, List: schema.ListUser, Arm: arm, ModelVersion: model, At: at}
	for _, it := range items {
		im.Items = append(im.Items, schema.Shown{ID: it, Source: schema.SourceModel})
	}
	return im
}

func event(user, item, typ, id string, at time.Time) *schema.Event {
	return &schema.Event{UserID: user, ItemID: item, Type: typ, Timestamp: at, RecommendationID: id}
}

func (st *stand) impressions(all ...*schema.Impression) {
	st.t.Helper()
	var recs []Record
	for _, im := range all {
		st.off[Impressions]++
		recs = append(recs, Record{Offset: st.off[Impressions], Time: im.At, Impression: im})
	}
	if err := st.s.Apply(st.t.Context(), Impressions, recs); err != nil {
		st.t.Fatal(err)
	}
}

func (st *stand) events(all ...*schema.Event) {
	st.t.Helper()
	var recs []Record
	for _, e := range all {
		st.off[Interactions]++
		recs = append(recs, Record{Offset: st.off[Interactions], Time: e.Timestamp, Event: e})
	}
	if err := st.s.Apply(st.t.Context(), Interactions, recs); err != nil {
		st.t.Fatal(err)
	}
}

func (st *stand) totals() schema.Attribution {
	st.t.Helper()
	all, err := st.s.Totals(st.t.Context())
	if err != nil {
		st.t.Fatal(err)
	}
	return all
}

func (st *stand) outcome(name string) float64 {
	return testutil.ToFloat64(st.s.metrics.records.WithLabelValues(name))
}

func TestStore_clicksConversionsAndTheNextInteraction(t *testing.T) {
	st := newStand(t)
	id := idAt(noon, 1)
	st.impressions(impression(id, "ann", "control", "r1", "a", "b", "c"))
	st.events(
		event("ann", "b", "view", id, noon.Add(time.Second)),
		event("ann", "b", "click", id, noon.Add(2*time.Second)),    // the same item again
		event("ann", "b", "purchase", id, noon.Add(3*time.Second)), // and bought
		event("ann", "c", "view", id, noon.Add(4*time.Second)),     // a second click of one answer
		event("ann", "z", "view", id, noon.Add(5*time.Second)),     // not in it
		event("ann", "a", "wish", id, noon.Add(6*time.Second)),     // neither
		event("ann", "a", "view", id, noon.Add(2*time.Hour)),       // late
		event("ann", "a", "view", "no-uuid", noon.Add(time.Second)),
	)
	want := schema.Attribution{
		Arms:    []schema.ArmTotals{{Arm: "control", ModelVersion: "r1", Answers: 1, Clicked: 1, Converted: 1, Scored: 1, Hits: 1, Gain: 1 / math.Log2(3)}},
		Sources: []schema.SourceTotals{{Arm: "control", ModelVersion: "r1", Source: schema.SourceModel, Shown: 3, Clicked: 2, Converted: 1}},
	}
	if diff := cmp.Diff(want, st.totals()); diff != "" {
		t.Error(diff)
	}
	for name, n := range map[string]float64{
		OutcomeAnswer: 1, OutcomeClick: 2, OutcomeConversion: 1, OutcomeDuplicate: 1, OutcomeUnlisted: 1, OutcomeOther: 1, OutcomeLate: 1, OutcomeForeign: 1, OutcomeScored: 1,
	} {
		if got := st.outcome(name); got != n {
			t.Errorf("%g records were %s, want %g", got, name, n)
		}
	}
	if got := testutil.ToFloat64(st.s.metrics.items.WithLabelValues("control", "r1", "model", "clicked")); got != 2 {
		t.Errorf("the metric says %g clicks", got)
	}
}

func TestStore_clicksBeforeTheirImpression(t *testing.T) {
	st := newStand(t)
	id := idAt(noon, 1)
	st.events(event("ann", "b", "view", id, noon.Add(time.Second)), event("ann", "z", "view", id, noon.Add(time.Second)))
	if got := st.totals(); len(got.Arms) != 0 {
		t.Errorf("counted before anybody knows the arm: %+v", got)
	}
	st.impressions(impression(id, "ann", "control", "r1", "a", "b"))
	got := st.totals()
	if len(got.Arms) != 1 || got.Arms[0].Answers != 1 || got.Arms[0].Clicked != 1 || got.Sources[0].Clicked != 1 {
		t.Errorf("%+v", got)
	}
	if st.outcome(OutcomeEarly) != 2 || st.outcome(OutcomeUnlisted) != 1 {
		t.Errorf("%g early, %g unlisted", st.outcome(OutcomeEarly), st.outcome(OutcomeUnlisted))
	}
}

func TestStore_shadowsAreScoredAndNeverClicked(t *testing.T) {
	st := newStand(t)
	id := idAt(noon, 1)
	shadow := impression(id, "ann", "next", "r2", "x", "y")
	shadow.Shadow = true
	st.impressions(impression(id, "ann", "control", "r1", "a"), shadow)
	st.events(event("ann", "y", "view", "", noon.Add(time.Second)), event("ann", "x", "view", "", noon.Add(2*time.Second)))
	want := []schema.ArmTotals{
		{Arm: "control", ModelVersion: "r1", Answers: 1, Scored: 1},
		{Arm: "next", ModelVersion: "r2", Shadow: true, Scored: 1, Hits: 1, Gain: 1 / math.Log2(3)},
	}
	if diff := cmp.Diff(want, st.totals().Arms); diff != "" {
		t.Error(diff)
	}
}

func TestStore_listsWaitForWhatComesAfterThem(t *testing.T) {
	st := newStand(t)
	st.impressions(impression(idAt(noon, 1), "ann", "live", "r1", "a"))
	st.events(event("ann", "a", "view", "", noon.Add(-time.Second))) // older than the list
	st.events(event("bob", "a", "view", "", noon.Add(time.Second)))  // somebody else's
	if got := st.totals().Arms[0].Scored; got != 0 {
		t.Errorf("%d lists scored", got)
	}
	st.impressions(impression(idAt(noon.Add(time.Second), 2), "ann", "live", "r1", "b")) // the newer list counts
	st.events(event("ann", "b", "view", "", noon.Add(2*time.Second)))
	if got := st.totals().Arms[0]; got.Scored != 1 || got.Hits != 1 {
		t.Errorf("%+v", got)
	}
	st.impressions(impression(idAt(noon.Add(3*time.Second), 3), "ann", "live", "r1", "b"))
	for i, at := range []time.Duration{time.Second, time.Minute} { // before and after the newest list
		if err := st.s.Apply(t.Context(), Interactions, []Record{{Offset: int64(100 + i), Time: noon.Add(at), Forget: "ann"}}); err != nil {
			t.Fatal(err)
		}
		if there := st.mr.Exists(st.s.keys.AttributionLast(bucketOf("ann"), "ann")); there != (i == 0) {
			t.Errorf("forgotten at %s: lists are there is %v", at, there)
		}
	}
}

// What a user was shown before the tombstone may be read after it, as it stands on another topic: nothing of it is kept. Who comes back is
// known again.
func TestStore_impressionsFromBeforeTheTombstone(t *testing.T) {
	st := newStand(t)
	key := st.s.keys.AttributionLast(bucketOf("ann"), "ann")
	if err := st.s.Apply(t.Context(), Interactions, []Record{{Offset: 100, Time: noon.Add(time.Minute), Forget: "ann"}}); err != nil {
		t.Fatal(err)
	}
	st.impressions(impression(idAt(noon, 1), "ann", "live", "r1", "a"))
	if st.mr.Exists(key) || st.outcome(OutcomeForgotten) != 1 {
		t.Errorf("a list of a forgotten user is there: %v; %g were refused", st.mr.Exists(key), st.outcome(OutcomeForgotten))
	}
	for _, k := range st.mr.Keys() {
		if text, err := st.mr.Get(k); strings.Contains(k, "ann") || err == nil && strings.Contains(text, "ann") {
			t.Errorf("%s names the user: %s", k, text)
		}
	}
	st.impressions(impression(idAt(noon.Add(time.Minute+time.Second), 2), "ann", "live", "r1", "a"))
	if !st.mr.Exists(key) {
		t.Error("a user who came back has no list")
	}
	st.now = noon.Add(st.s.cfg.Window + time.Hour)
	st.impressions(impression(idAt(st.now, 3), "ann", "live", "r1", "a"))
	if text, _ := st.mr.Get(st.s.keys.Attribution(bucketOf("ann"))); strings.Contains(text, "forgotten") {
		t.Errorf("the tombstone is kept for ever: %s", text)
	}
}

// open is how many answers are kept, and waiting for how many clicks wait.
func (st *stand) open() (open, waiting int) {
	st.t.Helper()
	for _, key := range st.mr.Keys() {
		n, err := st.rdb.HLen(st.t.Context(), key).Result()
		switch {
		case strings.Contains(key, ":open:"):
			open += int(n)
		case strings.Contains(key, ":early:"):
			waiting += int(n)
		default:
			continue
		}
		if err != nil {
			st.t.Fatal(err)
		}
	}
	return open, waiting
}

// pass lets time go on.
func (st *stand) pass(d time.Duration) {
	st.now = st.now.Add(d)
	st.mr.FastForward(d)
}

// Over hours of answers and clicks of many users no more than max_open answers are kept, in however many slices, and all goes when it
// is not needed any more.
func TestStore_memoryIsBounded(t *testing.T) {
	const room = 40
	st := newStand(t, func(c *Config) { c.MaxOpen = room * Buckets })
	made, most, clicked := 0, 0, 0
	hours := 4
	if testing.Short() {
		hours = 2
	}
	for minute := range hours * 60 {
		var all []*schema.Impression
		for range 20 {
			made++
			all = append(all, impression(idAt(st.now, made), fmt.Sprint("u", made%500), "live", "r1", "a"))
		}
		st.impressions(all...)
		if minute%7 == 0 {
			clicked++
			st.events(event(all[0].UserID, "a", "view", all[0].RecommendationID, st.now))
		}
		st.pass(time.Minute)
		if minute%5 > 0 {
			continue
		}
		open, _ := st.open()
		if most = max(most, open); open > room*Buckets {
			t.Fatalf("minute %d: %d answers are kept", minute, open)
		}
	}
	if most < room*Buckets/2 {
		t.Errorf("at most %d answers are kept of %d", most, room*Buckets)
	}
	// Clicks on answers that were left out are left out as well.
	if full, left := int64(st.outcome(OutcomeFull)), int64(made)-st.totals().Arms[0].Answers; full < left || full > left+int64(clicked) {
		t.Errorf("%d made, %d counted, %d left out and %d clicks", made, st.totals().Arms[0].Answers, full, clicked)
	}
	users := 0
	for _, key := range st.mr.Keys() {
		if strings.Contains(key, ":last:") {
			users++
		}
	}
	if users > 500 {
		t.Errorf("lists of %d users", users)
	}
	st.pass(st.s.cfg.Window + st.s.slice() + 2*early)
	if keys := st.mr.Keys(); len(keys) > Buckets {
		t.Errorf("after the window: %v", keys)
	}
}

// What is left out when there are too many answers is a sample: every minute of every hour keeps its share, though slices are not
// minutes, and the ids alone decide.
func TestStore_sampledWhenFull(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes hours of answers to settle")
	}
	st := newStand(t, func(c *Config) { c.MaxOpen = 200 * Buckets })
	made, before := 0, int64(0)
	var shares []float64
	for minute := range 5 * 60 {
		var all []*schema.Impression
		for range 80 { // 80 x 75 minutes: nearly twice what fits
			made++
			all = append(all, impression(idAt(st.now, made), "", "live", "r1", "a"))
		}
		st.impressions(all...)
		n := st.totals().Arms[0].Answers
		if minute >= 120 { // it has settled
			shares = append(shares, float64(n-before)/80)
		}
		before = n
		st.pass(time.Minute)
	}
	var fives []float64
	for i := 0; i+5 <= len(shares); i += 5 {
		sum := 0.0
		for _, s := range shares[i : i+5] {
			sum += s / 5
		}
		fives = append(fives, sum)
	}
	if low, high := slices.Min(fives), slices.Max(fives); low < 0.38 || high > 0.66 {
		t.Errorf("five minutes keep %.2f to %.2f of their answers: %.2f", low, high, fives)
	}
}

// A room that gets scarce takes a share by the ids, and whoever gets in when it is fuller gets in when it is emptier.
func TestRoom_take(t *testing.T) {
	r := room{used: 98, of: 100}
	kept := 0
	for i := range 10_000 {
		at := r
		if at.take(idAt(noon, i)) {
			kept++
			if lower := (room{used: 96, of: 100}); !lower.take(idAt(noon, i)) {
				t.Fatal("an answer is kept when it is fuller, and not when it is emptier")
			}
		}
	}
	if kept < 3700 || kept > 4300 { // (1 - 0.98) / (1 - 0.95)
		t.Errorf("%d of 10000 are kept", kept)
	}
}

// A backlog of days, or a clock that is ahead, opens nothing: those answers are past their window, or not yet made.
func TestStore_backlogOpensNothing(t *testing.T) {
	st := newStand(t)
	var all []*schema.Impression
	for hour := -200; hour <= 48; hour++ {
		if hour == -1 || hour == 0 {
			continue
		}
		all = append(all, impression(idAt(st.now.Add(time.Duration(hour)*time.Hour-time.Minute/2), 1000+hour), fmt.Sprint("u", hour), "live", "r1", "a"))
	}
	st.impressions(all...)
	for _, im := range all {
		st.events(event(im.UserID, "a", "view", im.RecommendationID, im.At.Add(time.Second)))
	}
	if keys := st.mr.Keys(); len(keys) != 0 {
		t.Errorf("%d keys: %v", len(keys), keys)
	}
	if late := st.outcome(OutcomeLate); int(late) != 2*len(all) {
		t.Errorf("%g of %d are late", late, 2*len(all))
	}
}

// A click late in the window does not keep its slice longer than the slice lasts.
func TestStore_clicksDoNotProlong(t *testing.T) {
	st := newStand(t)
	id := idAt(st.now, 1)
	st.impressions(impression(id, "", "live", "r1", "a", "b"))
	key := st.s.keys.AttributionOpen(bucketOf(id), st.s.sliceOf(id))
	goes := st.now.Add(st.mr.TTL(key))
	st.pass(50 * time.Minute)
	st.events(event("u", "a", "view", id, st.now))
	if now := st.now.Add(st.mr.TTL(key)); now.Sub(goes).Abs() > time.Second || goes.After(noon.Add(st.s.slice()+st.s.cfg.Window+2*early)) {
		t.Errorf("it went at %s and goes at %s", goes, now)
	}
}

// Clicks on answers that nobody logged have a room of their own and take none from the answers.
func TestStore_clicksOnAnswersNeverLogged(t *testing.T) {
	const room = 50
	st := newStand(t, func(c *Config) { c.MaxOpen = room * Buckets })
	var all []*schema.Event
	for i := range 4 * room * Buckets {
		all = append(all, event("u", "a", "view", idAt(noon, i), noon.Add(time.Second)))
	}
	st.events(all...)
	open, waiting := st.open()
	if open != 0 || waiting == 0 || waiting > room*Buckets/10 {
		t.Errorf("%d answers and clicks on %d others are kept, want at most %d", open, waiting, room*Buckets/10)
	}
	var shown []*schema.Impression
	for i := range room * Buckets / 4 {
		shown = append(shown, impression(idAt(noon.Add(time.Second), 1_000_000+i), "", "live", "r1", "a"))
	}
	st.impressions(shown...)
	if n := st.totals().Arms[0].Answers; n != int64(len(shown)) {
		t.Errorf("%d of %d answers are counted", n, len(shown))
	}
	// Those that wait leave when the impression comes.
	late := idAt(noon, 2_000_000)
	st2 := newStand(t)
	st2.events(event("u", "a", "view", late, noon.Add(time.Second)))
	st2.impressions(impression(late, "", "live", "r1", "a"))
	if open, waiting = st2.open(); open != 1 || waiting != 0 || st2.totals().Arms[0].Clicked != 1 {
		t.Errorf("%d answers, %d wait, %+v", open, waiting, st2.totals().Arms)
	}
}

// An arm that stays with its version keeps its row however many rounds the others see.
func TestStore_aPinnedArmKeepsItsRow(t *testing.T) {
	st, made := newStand(t, func(c *Config) { c.Models = 3 }), 0
	for i := range 30 {
		for arm, model := range map[string]string{"control": "r0", "live": fmt.Sprintf("r%02d", i+1)} {
			made++
			for bucketOf(idAt(noon, made)) != 5 { // each bucket folds by itself
				made++
			}
			st.impressions(impression(idAt(noon, made), "", arm, model, "a"))
		}
	}
	if got := st.totals().Arms[0]; got.Arm != "control" || got.ModelVersion != "r0" || got.Answers != 30 {
		t.Errorf("%+v", st.totals().Arms)
	}
	if got := testutil.ToFloat64(st.s.metrics.answers.WithLabelValues("control", "r0", "shown")); got != 30 {
		t.Errorf("the metric has %g answers", got)
	}
}

// A dead replica of a cluster does not keep the script from those that take writes.
func TestStore_aDeadReplicaOfACluster(t *testing.T) {
	m := miniredis.RunT(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{MaxRetries: -1, ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
		return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: []redis.ClusterNode{{Addr: m.Addr()}, {Addr: dead.Addr().String()}}}}, nil
	}})
	defer rdb.Close()
	s, err := New(rdb, schema.NewKeys(""), DefaultConfig(), WithClock(func() time.Time { return noon }))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), Impressions, []Record{{Offset: 1, Time: noon, Impression: impression(idAt(noon, 1), "", "live", "r1", "a")}}); err != nil {
		t.Error(err)
	}
}

// With wait_replicas a batch is not done before a replica has it, and one that was written without is written again.
func TestStore_waitsForReplicas(t *testing.T) {
	st := newStand(t)
	var have, writes atomic.Int64
	st.mr.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		switch strings.ToLower(cmd) {
		case "evalsha":
			writes.Add(1)
		case "wait":
			c.WriteInt(int(have.Load()))
			return true
		}
		return false
	})
	safe, err := New(st.rdb, st.s.keys, st.s.cfg, WithClock(func() time.Time { return st.now }), WithReplicas(replicas.Policy{Replicas: 1, Timeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	batch := []Record{{Offset: 1, Time: noon, Impression: impression(idAt(noon, 1), "", "live", "r1", "a")}}
	for range 3 {
		lone := new(replicas.MissingError)
		if err := safe.Apply(t.Context(), Impressions, batch); !errors.As(err, &lone) {
			t.Errorf("without a replica: %v", err)
		}
	}
	have.Store(1)
	writes.Store(0)
	if err := safe.Apply(t.Context(), Impressions, batch); err != nil || writes.Load() == 0 || st.totals().Arms[0].Answers != 1 {
		t.Errorf("with one: %v, %d writes, %+v", err, writes.Load(), st.totals())
	}
}

func TestStore_olderVersionsAreAddedUp(t *testing.T) {
	st := newStand(t, func(c *Config) { c.Models = 2 })
	var ids []string
	for i := range 5 {
		id := idAt(noon.Add(time.Duration(i)*time.Second), i)
		for bucketOf(id) != 3 { // all in one bucket: each folds by itself
			id = idAt(noon.Add(time.Duration(i)*time.Second), len(ids)*1000+rand.IntN(1_000_000))
		}
		ids = append(ids, id)
		st.impressions(impression(id, "", "live", fmt.Sprintf("r%d", i), "a"))
	}
	st.events(event("u", "a", "view", ids[0], noon.Add(10*time.Second)), event("u", "a", "view", ids[4], noon.Add(10*time.Second)))
	want := []schema.ArmTotals{
		{Arm: "live", ModelVersion: "r4", Answers: 1, Clicked: 1}, {Arm: "live", ModelVersion: "r3", Answers: 1},
		{Arm: "live", ModelVersion: schema.OlderVersions, Answers: 3, Clicked: 1},
	}
	if diff := cmp.Diff(want, st.totals().Arms); diff != "" {
		t.Error(diff)
	}
}

func TestMetrics_labelsOfOldVersionsGo(t *testing.T) {
	st := newStand(t)
	for i := range 3 * told {
		st.impressions(impression(idAt(noon, i), "", "live", fmt.Sprintf("r%02d", i), "a"))
	}
	if n := testutil.CollectAndCount(st.s.metrics.answers); n != told {
		t.Errorf("%d label sets, want those of the newest %d versions", n, told)
	}
}

// A world of records, applied in any order of the streams, cut into any batches, some of them twice, by two workers at a time that
// contend for the buckets, gives the totals that an independent count gives.
func TestStore_eachRecordCountsOnce(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			var shown, followed []Record
			type answerFact struct {
				arm, model string
				items      map[string]bool
			}
			facts := map[string]answerFact{}
			var ids []string
			for i := range 120 {
				id := idAt(noon.Add(time.Duration(i)*time.Second), i)
				im := impression(id, "", []string{"live", "b"}[r.IntN(2)], []string{"r1", "r2"}[r.IntN(2)])
				f := answerFact{im.Arm, im.ModelVersion, map[string]bool{}}
				for k := range 5 {
					it := fmt.Sprintf("i%d", (i+k*3)%17)
					if !f.items[it] {
						f.items[it] = true
						im.Items = append(im.Items, schema.Shown{ID: it, Source: schema.Sources()[k]})
					}
				}
				facts[id], ids = f, append(ids, id)
				shown = append(shown, Record{Partition: 0, Offset: int64(i), Time: im.At, Impression: im})
			}
			type fact struct {
				id, item, what string
			}
			want, hits := map[[3]string]int64{}, map[fact]bool{}
			any := map[fact]bool{}
			for i := range 400 {
				id := ids[r.IntN(len(ids))]
				typ := []string{"view", "click", "purchase", "wish"}[r.IntN(4)]
				item := fmt.Sprintf("i%d", r.IntN(17))
				at, _ := answeredAt(id)
				followed = append(followed, Record{Partition: 0, Offset: int64(i), Time: at.Add(time.Minute), Event: event("u", item, typ, id, at.Add(time.Minute))})
				f := facts[id]
				what := map[string]string{"view": "clicked", "click": "clicked", "purchase": "converted"}[typ]
				if what == "" || !f.items[item] || hits[fact{id, item, what}] {
					continue
				}
				hits[fact{id, item, what}] = true
				want[[3]string{f.arm, f.model, "items " + what}]++
				if !any[fact{id, "", what}] {
					any[fact{id, "", what}] = true
					want[[3]string{f.arm, f.model, "answers " + what}]++
				}
			}
			for _, f := range facts {
				want[[3]string{f.arm, f.model, "answers"}]++
				want[[3]string{f.arm, f.model, "shown"}] += int64(len(f.items))
			}
			st := newStand(t)
			other, err := New(st.rdb, schema.NewKeys(""), st.s.cfg, WithClock(func() time.Time { return st.now })) // another process
			if err != nil {
				t.Fatal(err)
			}
			play := func(s *Store, of Stream, recs []Record, r *rand.Rand) error {
				for at := 0; at < len(recs); {
					n := min(len(recs)-at, 1+r.IntN(40))
					if err := s.Apply(t.Context(), of, recs[at:at+n]); err != nil {
						return err
					}
					if at += n; r.IntN(3) == 0 { // a crash before the commit
						at = max(0, at-r.IntN(60))
					}
				}
				return nil
			}
			var group sync.WaitGroup
			errs := make([]error, 2)
			group.Go(func() { errs[0] = play(st.s, Impressions, shown, rand.New(rand.NewPCG(seed, 1))) })
			group.Go(func() { errs[1] = play(other, Interactions, followed, rand.New(rand.NewPCG(seed, 2))) })
			group.Wait()
			if errs[0] != nil || errs[1] != nil {
				t.Fatal(errs)
			}
			got := map[[3]string]int64{}
			all := st.totals()
			put := func(arm, model, what string, n int64) {
				if n > 0 {
					got[[3]string{arm, model, what}] += n
				}
			}
			for _, a := range all.Arms {
				put(a.Arm, a.ModelVersion, "answers", a.Answers)
				put(a.Arm, a.ModelVersion, "answers clicked", a.Clicked)
				put(a.Arm, a.ModelVersion, "answers converted", a.Converted)
			}
			for _, s := range all.Sources {
				put(s.Arm, s.ModelVersion, "shown", s.Shown)
				put(s.Arm, s.ModelVersion, "items clicked", s.Clicked)
				put(s.Arm, s.ModelVersion, "items converted", s.Converted)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A store that is away makes Apply fail, and the same batch counts once when it is back.
func TestStore_outageInBetween(t *testing.T) {
	st := newStand(t)
	im := impression(idAt(noon, 1), "ann", "live", "r1", "a")
	st.mr.SetError("LOADING")
	if err := st.s.Apply(t.Context(), Impressions, []Record{{Offset: 5, Impression: im}}); err == nil {
		t.Fatal("a store that is away took the batch")
	}
	st.mr.SetError("")
	for range 2 {
		if err := st.s.Apply(t.Context(), Impressions, []Record{{Offset: 5, Impression: im}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := st.totals().Arms[0].Answers; got != 1 {
		t.Errorf("%d answers", got)
	}
	st.mr.FlushAll() // scripts and data are gone, as after a restart without a disk
	if err := st.rdb.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := st.s.Apply(t.Context(), Impressions, []Record{{Offset: 6, Impression: impression(idAt(noon, 2), "ann", "live", "r1", "a")}}); err != nil {
		t.Fatal(err)
	}
}

// What became of a record is counted once, however often its batch was tried: what was written when it is written, what needs nothing written
// once all is done.
func TestStore_countsOnceHoweverOftenItIsTried(t *testing.T) {
	st := newStand(t)
	first := idAt(noon, 1)
	n, users := 2, []string{"ann", "bob", "eve", "dan"} // in other buckets, so that the first has nothing to write
	for ; bucketOf(idAt(noon, n)) == bucketOf(first); n++ {
	}
	user := users[slices.IndexFunc(users, func(u string) bool { return bucketOf(u) != bucketOf(first) })]
	shown := func(id string) *schema.Impression { return impression(id, "", "live", "r1", "a") }
	st.impressions(shown(first))
	var away atomic.Bool
	st.mr.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		if away.Load() && strings.EqualFold(cmd, "evalsha") {
			c.WriteError("LOADING Redis is loading the dataset in memory")
			return true
		}
		return false
	})
	shadow := shown(idAt(noon, n+1))
	shadow.Shadow, shadow.UserID = true, user
	var batch []Record
	for i, im := range []*schema.Impression{shown(first), shown(idAt(noon, n)), shadow, shown("no-uuid"), shown(idAt(noon.Add(-48*time.Hour), 1))} {
		batch = append(batch, Record{Offset: int64(10 + i), Time: noon, Impression: im})
	}
	away.Store(true)
	for range 5 {
		if err := st.s.Apply(t.Context(), Impressions, batch); err == nil {
			t.Fatal("a store that takes no writes took the batch")
		}
	}
	away.Store(false)
	if err := st.s.Apply(t.Context(), Impressions, batch); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]float64{OutcomeAnswer: 2, OutcomeShadow: 1, OutcomeDuplicate: 1, OutcomeForeign: 1, OutcomeLate: 1, OutcomeSkipped: 0} {
		if got := st.outcome(name); got != n {
			t.Errorf("%g records were %s, want %g", got, name, n)
		}
	}
}

func TestStore_damagedValuesDoNotStopTheOthers(t *testing.T) {
	st := newStand(t)
	id := idAt(noon, 1)
	st.impressions(impression(id, "ann", "live", "r1", "a"))
	b := bucketOf(id)
	st.mr.HSet(st.s.keys.AttributionOpen(b, st.s.sliceOf(id)), id, "\xff\xff")
	_ = st.mr.Set(st.s.keys.AttributionLast(bucketOf("ann"), "ann"), "\x01\x00\x09")
	st.events(event("ann", "a", "view", id, noon.Add(time.Second)))
	_ = st.mr.Set(st.s.keys.Attribution(b), "{")
	st.events(event("ann", "b", "view", id, noon.Add(time.Second)))
	if got := testutil.ToFloat64(st.s.metrics.damaged); got < 3 {
		t.Errorf("%g damaged values seen", got)
	}
}

func TestCodecs(t *testing.T) {
	a := answer{known: true, arm: "control", model: "r000001-00c0ffee", items: []mark{{hashOf("a"), schema.SourceModel, true, false}, {hashOf("b"), schema.SourcePinned, false, true}}}
	got, err := decodeAnswer(a.encode())
	if diff := cmp.Diff(a, got, cmp.AllowUnexported(answer{}, mark{})); err != nil || diff != "" {
		t.Error(err, diff)
	}
	lists := []list{{arm: "x", model: "", at: noon, items: []uint32{1, 2}}, {arm: "y", model: "r2", shadow: true, at: noon.Add(time.Hour)}}
	back, err := decodeLists(encodeLists(lists))
	if diff := cmp.Diff(lists, back, cmp.AllowUnexported(list{}), cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Error(err, diff)
	}
	text, err := json.Marshal(totals{Rev: 12})
	if front := (totals{Rev: 12}).front(); err != nil || string(text[:len(front)]) != front {
		t.Errorf("%s does not begin with %s: the swap would never succeed", text, front)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add((&answer{known: true, arm: "a", model: "m", items: []mark{{item: 1, source: schema.SourceModel}}}).encode())
	f.Add(encodeLists([]list{{arm: "x", model: "m", at: noon, items: []uint32{1}}}))
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := decodeAnswer(s); err == nil {
			if again, err := decodeAnswer(a.encode()); err != nil || len(again.items) != len(a.items) {
				t.Errorf("%q does not survive its own codec: %v", s, err)
			}
		}
		if l, err := decodeLists(s); err == nil {
			if again, err := decodeLists(encodeLists(l)); err != nil || len(again) != len(l) {
				t.Errorf("%q does not survive its own codec: %v", s, err)
			}
		}
	})
}

func TestConfig_namesFieldAndValue(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		`attribution.topic "": want a name`:                                        func(c *Config) { c.Topic = "" },
		`attribution.window 1s: want 1m0s to 168h0m0s`:                             func(c *Config) { c.Window = time.Second },
		`attribution.next_within 0s: want 1s to 168h0m0s`:                          func(c *Config) { c.NextWithin = 0 },
		`attribution.retention -1s: want at least 0s`:                              func(c *Config) { c.Retention = -time.Second },
		`attribution.clicks "purchase": want a type that is not among conversions`: func(c *Config) { c.Clicks = []string{"purchase"} },
		`attribution.models 0: want 1 to 200`:                                      func(c *Config) { c.Models = 0 },
		`attribution.max_open 1: want at least ` + fmt.Sprint(leastOpen):           func(c *Config) { c.MaxOpen = 1 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}
