package audit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

var rules = Rules{Len: 5, Lateness: time.Minute, MaxFuture: time.Minute}

// history is n records of a few users in one partition: repeats, late ones, tombstones and poison among them.
func history(rng *rand.Rand, n int) []broker.Record {
	now := time.UnixMilli(1_800_000_000_000)
	var recs []broker.Record
	for i := range n {
		user := fmt.Sprintf("u%d", rng.IntN(4))
		r := broker.Record{Key: []byte(user), Offset: int64(i), Time: now.Add(time.Duration(i) * time.Second)}
		ms := r.Time.Add(-time.Duration(rng.IntN(80)) * time.Second).UnixMilli()
		switch rng.IntN(30) {
		case 0: // a tombstone
		case 1:
			r.Value = []byte("{no json")
		case 2:
			r.Value = fmt.Appendf(nil, `{"user_id":%q,"item_id":"i","timestamp":%d}`, user, r.Time.UnixMilli()+61_000)
		case 3:
			r.Value = fmt.Appendf(nil, `{"user_id":%q,"item_id":"i","timestamp":%d,"event_id":"e%d","value":1.5}`, user, ms, rng.IntN(5))
		default:
			r.Value = fmt.Appendf(nil, `{"user_id":%q,"item_id":"i%d","type":"buy","timestamp":%q}`, user, rng.IntN(9), time.UnixMilli(ms).UTC().Format(time.RFC3339Nano))
		}
		recs = append(recs, r)
	}
	return recs
}

// states are the same windows by the product's own rules: two forms of one document must agree.
func states(t *testing.T, recs []broker.Record) map[string]*window.State {
	t.Helper()
	all := map[string]*window.State{}
	r := window.Rules{Len: rules.Len, Lateness: rules.Lateness}
	for _, rec := range recs {
		user, w := string(rec.Key), window.Record{Offset: rec.Offset, Forget: len(rec.Value) == 0}
		if len(rec.Value) > 0 {
			e, err := schema.DecodeEvent(rec.Value)
			if err != nil || e.CheckFuture(rec.Time, rules.MaxFuture) != nil {
				continue
			}
			w.Interaction = schema.Interaction{ItemID: e.ItemID, Type: e.Type, Timestamp: e.Timestamp, Value: e.Value, EventID: e.EventID}
		}
		if all[user] == nil {
			all[user] = &window.State{}
		}
		all[user].ApplyOne(r, rec.Partition, w)
	}
	return all
}

func ledger(recs []broker.Record) *Ledger {
	l := NewLedger(rules)
	for _, r := range recs {
		l.Add(r)
	}
	return l
}

func verdict(t *testing.T, l *Ledger, all map[string]*window.State) Verdict {
	t.Helper()
	v, err := l.Compare(context.Background(), func(_ context.Context, user string) (schema.Window, error) {
		if st := all[user]; st != nil {
			return st.Window(user), nil
		}
		return schema.Window{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestLedger_agreesWithTheWindows(t *testing.T) {
	for seed := range uint64(50) {
		recs := history(rand.New(rand.NewPCG(seed, 1)), 400)
		l := ledger(recs)
		if v := verdict(t, l, states(t, recs)); !v.Faultless() || v.Windows != 4 {
			t.Fatalf("seed %d: %+v", seed, v)
		}
		if l.Poison() == 0 || l.Missing(nil) != l.Poison() {
			t.Errorf("seed %d: %d poison, %d missing", seed, l.Poison(), l.Missing(nil))
		}
	}
}

// Every kind of damage is found and called by its name.
func TestCompare_findsDamage(t *testing.T) {
	recs := history(rand.New(rand.NewPCG(3, 3)), 400)
	l := ledger(recs)
	damage := func(change func(w *schema.Window)) Verdict {
		all := states(t, recs)
		v, err := l.Compare(context.Background(), func(_ context.Context, user string) (schema.Window, error) {
			w := all[user].Window(user)
			w.Entries = slices.Clone(w.Entries)
			if user == "u1" {
				change(&w)
			}
			return w, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, c := range map[string]struct {
		change func(w *schema.Window)
		found  func(v Verdict) bool
	}{
		"lost":          {func(w *schema.Window) { w.Entries = w.Entries[1:] }, func(v Verdict) bool { return v.Lost == 1 }},
		"lost before":   {func(w *schema.Window) { w.Version -= 3 }, func(v Verdict) bool { return v.Lost == 3 }},
		"doubled":       {func(w *schema.Window) { w.Entries = append(w.Entries, w.Entries[0]) }, func(v Verdict) bool { return v.Doubled == 1 }},
		"doubled once":  {func(w *schema.Window) { w.Version++ }, func(v Verdict) bool { return v.Doubled == 1 }},
		"misplaced":     {func(w *schema.Window) { slices.Reverse(w.Entries[:2]) }, func(v Verdict) bool { return v.Misplaced == 2 }},
		"strange":       {func(w *schema.Window) { w.Entries[0].ItemID = "x" }, func(v Verdict) bool { return v.Strange == 1 && v.Lost == 1 }},
		"offset":        {func(w *schema.Window) { w.Offsets["0"]++ }, func(v Verdict) bool { return v.Lost+v.Doubled+v.Strange == 0 }},
		"place":         {func(w *schema.Window) { w.Entries[0].Offset++ }, func(v Verdict) bool { return v.Lost+v.Doubled+v.Strange == 0 }},
		"value":         {func(w *schema.Window) { w.Entries[0].Value++ }, func(v Verdict) bool { return v.Lost+v.Doubled+v.Strange == 0 }},
		"gone entirely": {func(w *schema.Window) { *w = schema.Window{} }, func(v Verdict) bool { return v.Lost > 50 }},
	} {
		if v := damage(c.change); v.Wrong != 1 || v.Faultless() || !c.found(v) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if v := damage(func(*schema.Window) {}); !v.Faultless() {
		t.Errorf("without damage: %+v", v)
	}
}
