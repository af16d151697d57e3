package window_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

func clicks() []window.Record {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return []window.Record{
		{Offset: 7, Interaction: schema.Interaction{ItemID: "mug", Type: "view", Timestamp: noon}},
		{Offset: 8, Interaction: schema.Interaction{ItemID: "tea", Type: "buy", Timestamp: noon.Add(2 * time.Minute)}},
		{Offset: 9, Interaction: schema.Interaction{ItemID: "cup", Type: "view", Timestamp: noon.Add(time.Minute)}}, // late
	}
}

func ExampleState() {
	var s window.State
	fmt.Printf("%+v\n", s.Apply(window.DefaultRules(), 0, clicks()))
	for _, e := range s.Entries() {
		fmt.Println(e.ItemID)
	}
	// Output:
	// {Applied:3 Duplicates:0 Late:0 Skipped:0 Forgotten:0}
	// mug
	// cup
	// tea
}

func ExampleStore() {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer rdb.Close()

	ctx := context.Background()
	store, err := window.New(rdb, schema.NewKeys(""), window.DefaultRules())
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := []window.UserBatch{{User: "ann", Partition: 0, Records: clicks()}}
	for range 2 { // the second time, as after a crash before the commit
		out, err := store.Apply(ctx, batch)
		fmt.Println("applied", out.Applied, "skipped", out.Skipped, err)
	}
	w, err := store.Window(ctx, "ann")
	fmt.Println(len(w.Entries), "entries, offsets", w.Offsets, err)
	// Output:
	// applied 3 skipped 0 <nil>
	// applied 0 skipped 3 <nil>
	// 3 entries, offsets map[0:9] <nil>
}
