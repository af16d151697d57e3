package trainer

import (
	"fmt"
	"math"
	"testing"

	"github.com/softrec/softrec/trainer/model/ranker"
)

func TestFaultOf(t *testing.T) {
	item := func(id string, score float64) ranker.Scored { return ranker.Scored{Item: id, Score: score} }
	for name, tc := range map[string]struct {
		list  []ranker.Scored
		fault bool
	}{
		"good":           {[]ranker.Scored{item("a", 2), item("b", 1)}, false},
		"longer":         {[]ranker.Scored{item("a", 2), item("b", 1), item("c", 1)}, false},
		"empty":          {nil, true},
		"short":          {[]ranker.Scored{item("a", 2)}, true},
		"twice":          {[]ranker.Scored{item("a", 2), item("a", 1)}, true},
		"not a number":   {[]ranker.Scored{item("a", math.NaN()), item("b", 1)}, true},
		"infinite":       {[]ranker.Scored{item("a", math.Inf(1)), item("b", 1)}, true},
		"minus infinity": {[]ranker.Scored{item("a", 1), item("b", math.Inf(-1))}, true},
	} {
		if got := faultOf(tc.list, 2); (got != "") != tc.fault {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// spread answers n requests with lists of ten, from a catalogue of so many items.
func spread(n, items int) lists {
	var l lists
	for i := range n {
		var list []ranker.Scored
		for k := range 10 {
			list = append(list, ranker.Scored{Item: fmt.Sprint((i*10 + k) % items), Score: 1})
		}
		l.add(list, 10)
	}
	return l
}

func TestGuard(t *testing.T) {
	cfg := DefaultConfig()
	live := spread(100, 300)
	for _, tc := range []struct {
		items int
		pass  bool
	}{{10, false}, {100, false}, {150, true}, {300, true}, {600, true}} {
		c := spread(100, tc.items)
		if why := guard(cfg, &live, &c); (why == "") != tc.pass {
			t.Errorf("%d items against 300: %q", tc.items, why)
		}
	}
	for _, tc := range []struct {
		failed int
		pass   bool
	}{{0, true}, {1, true}, {2, false}, {100, false}} {
		c := spread(100, 300)
		c.Failed = tc.failed
		if why := guard(cfg, &live, &c); (why == "") != tc.pass {
			t.Errorf("%d of 100 lists failed: %q", tc.failed, why)
		}
		if why := guard(cfg, nil, &c); (why == "") != tc.pass {
			t.Errorf("first model, %d of 100 lists failed: %q", tc.failed, why)
		}
	}
}
