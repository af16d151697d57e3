package serve

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	runtimemetrics "runtime/metrics"
	"testing"

	"github.com/softrec/softrec/schema"
)

func someList(rng *rand.Rand, n int) []schema.AnswerItem {
	l := make([]schema.AnswerItem, n)
	for i := range l {
		l[i] = schema.AnswerItem{
			ID: fmt.Sprintf("item-%d", rng.IntN(1000)), Title: string(make([]byte, rng.IntN(300))), Score: rng.NormFloat64(),
			Source: sources[rng.IntN(len(sources))],
		}
		if rng.IntN(3) == 0 {
			l[i].Propensity = rng.Float64()
		}
	}
	return l
}

func someKey(rng *rand.Rand) cacheKey {
	return cacheKey{
		user: fmt.Sprintf("u%d", rng.IntN(5)), model: "m", query: string(make([]byte, rng.IntN(3)*200)), window: int64(rng.IntN(3)),
		entries: rng.IntN(2), partition: rng.IntN(2), offset: int64(rng.IntN(2)) * math.MaxInt64, catalogue: int64(rng.IntN(2)) - 1, text: int64(rng.IntN(2)),
	}
}

// The cache gives back what was put under a key, for any keys and lists, and drops a user's lists and no other's.
func TestCache_givesBackWhatWasPut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c, want := newCache(1<<20), map[cacheKey][]schema.AnswerItem{}
	for range 3000 {
		k := someKey(rng)
		if _, ok := want[k]; !ok {
			want[k] = someList(rng, rng.IntN(12))
			c.put(k, want[k])
		}
		if rng.IntN(100) == 0 {
			user := fmt.Sprintf("u%d", rng.IntN(5))
			c.forget(crowdOf([]schema.Deletion{{UserID: user}}))
			for k := range want {
				if k.user == user {
					delete(want, k)
				}
			}
		}
		if rng.IntN(100) == 0 {
			version := int64(rng.IntN(3)) - 1
			c.outdated(version)
			for k := range want {
				if k.catalogue < version {
					delete(want, k)
				}
			}
		}
		k = someKey(rng)
		got, ok := c.get(k)
		l, had := want[k]
		if ok != had || ok && !reflect.DeepEqual(got, l) {
			t.Fatalf("key %+v: got %v %+v, want %v %+v", k, ok, got, had, l)
		}
	}
	total := 0
	for k, l := range want {
		total += weight(k, l)
	}
	if c.size() != total || len(c.byHash) != len(want) {
		t.Errorf("%d items in %d lists, want %d in %d", c.size(), len(c.byHash), total, len(want))
	}
	c.forget(crowd{everybody: true})
	if c.size() != 0 || len(c.byHash) != 0 || c.slots[0] != (slot{}) {
		t.Errorf("%d items in %d lists after all were forgotten", c.size(), len(c.byHash))
	}
}

// Two keys of one hash never share a list.
func TestCache_sameHash(t *testing.T) {
	c := newCache(100)
	a, b := cacheKey{user: "a"}, cacheKey{user: "b"}
	c.put(a, []schema.AnswerItem{{ID: "1", Source: schema.SourceModel}})
	at := c.slots[0].next // as if b had a's hash
	delete(c.byHash, c.slots[at].hash)
	probe := newCache(100)
	probe.put(b, nil)
	hash := probe.slots[probe.slots[0].next].hash
	c.byHash[hash], c.slots[at].hash = at, hash
	if _, ok := c.get(b); ok {
		t.Fatal("a list of another key")
	}
	c.put(b, []schema.AnswerItem{{ID: "2", Source: schema.SourceModel}})
	if l, ok := c.get(b); !ok || l[0].ID != "2" || c.size() != 1 || len(c.byHash) != 1 {
		t.Errorf("%v %v, %d items", ok, l, c.size())
	}
}

// Explanations are not kept: unpack would lose them.
func TestCache_explanationsAreNotKept(t *testing.T) {
	c := newCache(100)
	c.put(cacheKey{}, []schema.AnswerItem{{ID: "1", Source: schema.SourceModel, Why: []string{"because"}}})
	c.put(cacheKey{}, []schema.AnswerItem{{ID: "1", Source: schema.SourceModel, Parts: map[string]float64{"a": 1}}})
	if _, ok := c.get(cacheKey{}); ok {
		t.Error("kept")
	}
}

// The garbage collector must find next to nothing to follow in a full cache: with a list's items kept as they are, each cycle took
// a processor away from the requests for a third of a second, and the slowest of a hundred answers took that long.
func TestCache_isLittleWorkForTheCollector(t *testing.T) {
	scannable := func() float64 {
		runtime.GC()
		s := []runtimemetrics.Sample{{Name: "/gc/scan/heap:bytes"}}
		runtimemetrics.Read(s)
		return float64(s[0].Value.Uint64())
	}
	const lists = 20_000
	c, rng := newCache(10*lists), rand.New(rand.NewPCG(3, 4))
	before := scannable()
	for i := range lists {
		c.put(cacheKey{user: fmt.Sprintf("user-%d", i), model: "m"}, someList(rng, 10))
	}
	if got := (scannable() - before) / lists; got > 200 {
		t.Errorf("%.0f bytes a list for the collector to look at, want 200 at most", got)
	}
	runtime.KeepAlive(c)
}

func BenchmarkCache_get(b *testing.B) {
	c, rng := newCache(1_200_000), rand.New(rand.NewPCG(5, 6))
	for i := range 100_000 {
		c.put(cacheKey{user: fmt.Sprintf("user-%07d", i), model: "20260101-000000-00001"}, someList(rng, 10))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.get(cacheKey{user: fmt.Sprintf("user-%07d", rng.IntN(100_000)), model: "20260101-000000-00001"}); !ok {
			b.Fatal("missed")
		}
	}
}
