package capacity

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// places is in how many places of the counts each event of the measured model stands: in three tables once, in the fourth both ways.
const places = 5

// some is the smaller number of items of each test; the larger is twice that. Both lie a little above a power of two, where tables
// that double have the most room left.
const some = 4_500

// idLen is the length of the items' ids, which are UUIDs.
const idLen = 36

func itemID(i int) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "item-%d", i)).String()
}

// item is one of the catalogue with so many attributes; with none it has nothing but a short title.
func item(i, attributes int) schema.Item {
	it := schema.Item{ID: itemID(i), Title: "Mug"}
	if attributes > 0 {
		it.Title, it.Categories = fmt.Sprintf("A mug with handle number %d", i), []string{"kitchen", fmt.Sprintf("mugs-%d", i%50)}
		it.Attributes, it.CreatedAt = map[string]any{"price": float64(i % 100)}, time.UnixMilli(1_700_000_000_000+int64(i)).UTC()
		for a := range attributes - 1 {
			it.Attributes[fmt.Sprintf("quality-%d", a)] = "very good"
		}
	}
	return it
}

// documents is the length of n items as JSON.
func documents(t *testing.T, attributes, n int) (bytes int) {
	t.Helper()
	for i := range n {
		doc, err := json.Marshal(item(i, attributes))
		if err != nil {
			t.Fatal(err)
		}
		bytes += len(doc)
	}
	return bytes
}

// inProcess opens a Redis within this process.
func inProcess(t *testing.T) *redis.Client {
	t.Helper()
	servers, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	return client(t, servers.RedisAddr())
}

func client(t *testing.T, addr string) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// stock puts items n to m into the catalogue below keys.
func stock(t *testing.T, rdb *redis.Client, keys schema.Keys, attributes, n, m int) *catalog.Store {
	t.Helper()
	store, err := catalog.New(rdb, keys)
	if err != nil {
		t.Fatal(err)
	}
	var changes []catalog.Change
	for i := n; i < m; i++ {
		it := item(i, attributes)
		changes = append(changes, catalog.Change{Offset: int64(i), ID: it.ID, Item: &it})
	}
	if _, err := store.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	return store
}

// within holds a measurement between half of the formula and the whole of it, so that the formula is neither broken nor a boast.
func within(t *testing.T, what string, got, formula int) {
	t.Helper()
	t.Logf("%s: %d bytes, the formula says %d", what, got, formula)
	if got > formula {
		t.Errorf("%s: %d bytes, more than the %d of docs/capacity.md", what, got, formula)
	}
	if got < formula/2 {
		t.Errorf("%s: %d bytes, less than half of the %d of docs/capacity.md: make it tighter", what, got, formula)
	}
}

// grows holds that twice as much takes about twice the bytes.
func grows(t *testing.T, what string, once, twice int) {
	t.Helper()
	if r := float64(twice) / float64(once); r < 1.5 || r > 2.5 {
		t.Errorf("%s: %d bytes for one, %d for two of them: %.2f times as much, want about 2", what, once, twice, r)
	}
}

// heap is how many bytes of the heap what makes holds, which the caller lets go of afterwards.
func heap(t *testing.T, makes func() any) int {
	t.Helper()
	used := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what the first one's finalizers let go
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := used()
	made := makes()
	after := used()
	runtime.KeepAlive(made)
	return after - before
}

// An item of the catalogue takes what docs/capacity.md says, asked of a real server.
func TestCatalogue_onRealServers_bytesAnItem(t *testing.T) {
	addr := os.Getenv("TEST_REDIS")
	if addr == "" || strings.Contains(addr, ",") {
		t.Skip("TEST_REDIS names no single server, and only a real one can say what keys take")
	}
	rdb := client(t, addr)
	keys := schema.NewKeys("t" + crand.Text()[:6])
	all := []string{keys.Items(), keys.ItemsLog(), keys.ItemsVersion(), keys.ItemsSync()}
	t.Cleanup(func() { rdb.Unlink(context.Background(), all...) })
	used := func() (bytes int) {
		for _, key := range all {
			n, err := rdb.MemoryUsage(t.Context(), key, 0).Result() // of every element
			if err != nil && err != redis.Nil {
				t.Fatal(err)
			}
			bytes += int(n)
		}
		return bytes
	}
	stock(t, rdb, keys, 2, 0, some)
	once := used()
	within(t, "catalogue in Redis", once, documents(t, 2, some)+265*some)
	stock(t, rdb, keys, 2, some, 2*some)
	twice := used()
	within(t, "catalogue in Redis, twice the items", twice, documents(t, 2, 2*some)+265*2*some)
	grows(t, "catalogue in Redis", once, twice)
}

// What is stored of an item is its JSON, its id twice and a few bytes, whatever server keeps it.
func TestCatalogue_storedBytesAnItem(t *testing.T) {
	rdb := inProcess(t)
	keys := schema.NewKeys("")
	stored := func() (bytes int) {
		data, err := rdb.HGetAll(t.Context(), keys.Items()).Result()
		if err != nil {
			t.Fatal(err)
		}
		for id, value := range data {
			bytes += len(id) + len(value)
		}
		log, err := rdb.ZRange(t.Context(), keys.ItemsLog(), 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range log {
			bytes += len(id) + 8 // its place
		}
		return bytes
	}
	stock(t, rdb, keys, 2, 0, some)
	once := stored()
	within(t, "stored catalogue", once, documents(t, 2, some)+(2*idLen+40)*some)
	stock(t, rdb, keys, 2, some, 2*some)
	grows(t, "stored catalogue", once, stored())
}

// The catalogue in a server's memory: of items with little to say, and with much.
func TestServe_catalogueBytesAnItem(t *testing.T) {
	rdb := inProcess(t)
	for _, attributes := range []int{0, 6} {
		measure := func(n int) (bytes, formula int) {
			keys := schema.NewKeys(fmt.Sprintf("shop-%d-%d", attributes, n))
			store := stock(t, rdb, keys, attributes, 0, n)
			bytes = heap(t, func() any {
				view := catalog.NewView(store)
				if err := view.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				if view.Len() != n {
					t.Fatalf("the view has %d items, want %d", view.Len(), n)
				}
				return view
			})
			return bytes, 7*documents(t, attributes, n)/2 + 100*n
		}
		once, formula := measure(some)
		twice, formula2 := measure(2 * some)
		within(t, fmt.Sprintf("catalogue in memory, %d attributes", attributes), once, formula)
		within(t, fmt.Sprintf("the same of twice the items, %d attributes", attributes), twice, formula2)
		grows(t, "catalogue in memory", once, twice)
	}
}

// The dictionary of items in memory: of a server, which reads windows, and of ingest, which writes them.
func TestDictionary_bytesAnItem(t *testing.T) {
	rdb := inProcess(t)
	measure := func(n int) (reads, writes int) {
		keys := schema.NewKeys(fmt.Sprint("shop-", n))
		open := func() *window.Store {
			s, err := window.New(rdb, keys, window.DefaultRules())
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		apply := func(s *window.Store, user string, first, last int) {
			recs := make([]window.Record, 0, last-first)
			for i := first; i < last; i++ {
				recs = append(recs, window.Record{Offset: int64(i), Interaction: schema.Interaction{
					ItemID: itemID(i), Type: schema.DefaultType, Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)),
				}})
			}
			if _, err := s.Apply(t.Context(), []window.UserBatch{{User: user, Records: recs}}); err != nil {
				t.Fatal(err)
			}
		}
		apply(open(), "first", 0, n)
		writes = heap(t, func() any {
			s := open()
			apply(s, "second", 0, n)
			return s
		})
		reads = heap(t, func() any {
			s := open()
			w, err := s.Window(t.Context(), "first")
			if err != nil || len(w.Entries) == 0 {
				t.Fatalf("%d entries, %v", len(w.Entries), err)
			}
			return s
		})
		return reads, writes
	}
	reads, writes := measure(some)
	reads2, writes2 := measure(2 * some)
	within(t, "dictionary of a reader", reads, some*(idLen+140))
	within(t, "dictionary of a writer", writes, some*(idLen+140))
	grows(t, "dictionary of a reader", reads, reads2)
	grows(t, "dictionary of a writer", writes, writes2)
}

// network is the shape of the measured model.
func network() sequence.Config {
	cfg := sequence.DefaultConfig()
	cfg.Layers = 1
	return cfg
}

// model makes the files of a model of n items, each followed by some others that often.
func model(t *testing.T, n, followers int) map[string][]byte {
	t.Helper()
	v, c := vocab.New(), counts.NewCounts(counts.DefaultConfig())
	for i := range n {
		v.Add(itemID(i))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	at := time.UnixMilli(1_700_000_000_000)
	for i := range n {
		for range followers {
			at = at.Add(time.Minute)
			c.Update(counts.Observation{History: []int32{int32(i + 1)}, Times: []int64{at.UnixMilli() - 1000}, Item: int32(rng.IntN(n) + 1), Time: at})
		}
	}
	w, err := sequence.NewWeights(network(), v.Len(), 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ranker.New(v, c, w, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A model that is decoded takes a row of the network for each item, what is counted of it, and 8 bytes for each successor.
func TestServe_modelBytesAnItem(t *testing.T) {
	measure := func(n, followers int) int {
		files := model(t, n, followers)
		bytes := heap(t, func() any {
			b, err := ranker.Decode(files)
			if err != nil {
				t.Fatal(err)
			}
			return b
		})
		runtime.KeepAlive(files) // or their end is taken off the model
		return bytes
	}
	formula := func(n, followers int) int {
		return 2<<20 + n*(idLen+4*network().Dim+8*places*followers+600)
	}
	for _, followers := range []int{4, 24} {
		once, twice := measure(some, followers), measure(2*some, followers)
		within(t, fmt.Sprintf("model in memory, %d successors", followers), once, formula(some, followers))
		within(t, fmt.Sprintf("the same of twice the items, %d successors", followers), twice, formula(2*some, followers))
		grows(t, "model in memory", once, twice)
	}
}
