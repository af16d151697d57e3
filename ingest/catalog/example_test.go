package catalog_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/schema"
)

func ExampleView() {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer rdb.Close()

	ctx := context.Background()
	store, err := catalog.New(rdb, schema.NewKeys(""))
	if err != nil {
		fmt.Println(err)
		return
	}
	view := catalog.NewView(store)
	changes := []catalog.Change{
		{Offset: 0, ID: "mug", Item: &schema.Item{ID: "mug", Title: "Blue mug"}},
		{Offset: 1, ID: "cup", Item: &schema.Item{ID: "cup", Title: "Tea cup"}},
		{Offset: 2, ID: "mug"}, // withdrawn
	}
	if _, err := store.Apply(ctx, changes); err != nil {
		fmt.Println(err)
	}
	if err := view.Sync(ctx); err != nil {
		fmt.Println(err)
	}
	cup, ok := view.Item("cup")
	fmt.Println(cup.Title, ok, view.Withdrawn("mug"), view.Len(), view.Version())
	// Output: Tea cup true true 1 3
}
