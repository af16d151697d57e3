package ingest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// The whole road of one event: produced to Kafka, ingested, and read back as the user's window. With a data folder for
// the embedded servers, ingest.WithDurable(servers) belongs to the options of New.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
		}
	}
	servers, err := embedded.Start(embedded.DefaultConfig())
	check(err)
	defer servers.Close()
	rdb := redis.NewClient(&redis.Options{Addr: servers.RedisAddr()})
	defer rdb.Close()

	kafka, cfg := broker.DefaultConfig(), ingest.DefaultConfig()
	kafka.Brokers = servers.Brokers()
	check(broker.EnsureTopics(ctx, kafka, cfg.Topics()...))
	producer, err := broker.NewProducer(kafka)
	check(err)
	defer producer.Close()
	source, err := broker.NewGroupSource(kafka, cfg.Topic, cfg.Group)
	check(err)
	defer source.Close()
	windows, err := window.New(rdb, schema.NewKeys(""), window.DefaultRules())
	check(err)
	consumer, err := ingest.New(cfg, source, windows, producer)
	check(err)
	running, halt := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- consumer.Run(running) }()

	event := `{"event_id":"e1","user_id":"ada","item_id":"book","type":"buy","timestamp":"2026-01-02T03:04:05Z"}`
	check(producer.Publish(ctx, cfg.Topic, broker.Record{Key: []byte("ada"), Value: []byte(event)}))
	var w schema.Window
	for len(w.Entries) == 0 && ctx.Err() == nil {
		w, err = windows.Window(ctx, "ada")
		check(err)
	}
	fmt.Println(w.Version, w.Entries[0].ItemID, w.Entries[0].Type)
	halt()
	check(<-done)
	// Output: 1 book buy
}
