package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/trainer/snapshot"
)

// noKafka stands for the topics: it applies what is written at once, where a deployment has brokers and ingest.
type noKafka struct {
	windows *window.Store
	items   *catalog.Store
	offset  int64
}

func (k *noKafka) Publish(ctx context.Context, events []schema.Event) error {
	for _, e := range events {
		k.offset++
		rec := window.Record{Offset: k.offset, Interaction: schema.Interaction{ItemID: e.ItemID, Type: e.Type, Timestamp: e.Timestamp}}
		if _, err := k.windows.Apply(ctx, []window.UserBatch{{User: e.UserID, Records: []window.Record{rec}}}); err != nil {
			return err
		}
	}
	return nil
}

func (k *noKafka) Forget(ctx context.Context, user, _ string) error {
	k.offset++
	_, err := k.windows.Apply(ctx, []window.UserBatch{{User: user, Records: []window.Record{{Offset: k.offset, Forget: true}}}})
	return err
}

func (k *noKafka) Put(ctx context.Context, it schema.Item) error {
	k.offset++
	_, err := k.items.Apply(ctx, []catalog.Change{{Offset: k.offset, ID: it.ID, Item: &it}})
	return err
}

func (k *noKafka) Withdraw(ctx context.Context, id, _ string) error {
	k.offset++
	_, err := k.items.Apply(ctx, []catalog.Change{{Offset: k.offset, ID: id}})
	return err
}

// A server is built from what reads Redis, where models come from and where events go. Before the first model it
// answers from the catalogue.
func ExampleServer() {
	mini, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer mini.Close()
	cfg := serve.DefaultConfig()
	opts := &redis.UniversalOptions{Addrs: []string{mini.Addr()}}
	cfg.RedisOptions(opts)
	rdb := redis.NewUniversalClient(opts)
	defer func() { _ = rdb.Close() }()
	keys := schema.NewKeys("")
	windows, err := window.New(rdb, keys, window.DefaultRules())
	if err != nil {
		log.Fatal(err)
	}
	items, err := catalog.New(rdb, keys)
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "models")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	snapshots, err := snapshot.OpenDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	topics := &noKafka{windows: windows, items: items}
	receipts, err := deletion.New(rdb, keys)
	if err != nil {
		log.Fatal(err)
	}

	srv, err := serve.New(cfg, serve.Deps{
		Redis: rdb, Keys: keys, Windows: windows, Catalogue: catalog.NewView(items), Items: items,
		Registry: snapshot.NewRegistry(rdb, keys), Snapshots: snapshots, Events: topics, Changes: topics, Deletions: receipts,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.Refresh(context.Background()); err != nil { // srv.Run(ctx) does this all the time, and listens
		log.Fatal(err)
	}

	ask := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		srv.Handler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for i, title := range []string{"Lantern", "White hanging heart", "Tea cosy"} {
		created := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		ask(http.MethodPut, fmt.Sprintf("/v1/items/i%d", i), fmt.Sprintf(`{"title":%q,"created_at":%q}`, title, created))
	}
	code, body := ask(http.MethodPost, "/v1/events", `{"user_id":"ann","item_id":"i2","timestamp":1767200000}`)
	fmt.Println(code, strings.TrimSpace(body))
	_, body = ask(http.MethodGet, "/v1/recommend/ann?n=2&filter_seen=true", "")
	var answer schema.Answer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		log.Fatal(err)
	}
	for _, it := range answer.Items {
		fmt.Println(it.ID, it.Title, it.Source)
	}
	// Output:
	// 202 {"accepted":1,"duplicates":0,"rejected":[]}
	// i1 White hanging heart catalog
	// i0 Lantern catalog
}
