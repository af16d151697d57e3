package app

import (
	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/window"
)

// addIngest builds both consumers: interactions to windows, items to the catalogue.
func (a *App) addIngest() error {
	cfg, keys := a.cfg.Ingest, a.cfg.Redis.Keys()
	log := a.log.With("component", "ingest")
	opts := []ingest.Option{ingest.WithLogger(a.log), ingest.WithRegisterer(a.metrics)}
	if a.servers != nil {
		opts = append(opts, ingest.WithDurable(a.servers)) // a kill loses what the embedded Redis has not yet written
	}
	windows, err := window.New(a.rdb, keys, a.cfg.Window)
	if err != nil {
		return err
	}
	items, err := catalog.New(a.rdb, keys)
	if err != nil {
		return err
	}
	events, err := a.groupSource(cfg.Topic, cfg.Group)
	if err != nil {
		return err
	}
	changes, err := a.groupSource(cfg.ItemsTopic, cfg.Group+"-items")
	if err != nil {
		return err
	}
	consumer, err := ingest.New(cfg, events, windows, a.producer, append(opts, ingest.WithPage(ingest.NewPage(a.rdb, keys)))...)
	if err != nil {
		return err
	}
	catalogue, err := ingest.NewItems(cfg, changes, items, a.producer, opts...)
	if err != nil {
		return err
	}
	log.Info("ingest is ready", "topic", cfg.Topic, "items_topic", cfg.ItemsTopic, "group", cfg.Group)
	a.parts = append(a.parts, Part{"ingest interactions", consumer.Run}, Part{"ingest items", catalogue.Run})
	return nil
}

func (a *App) groupSource(topic, group string) (*broker.GroupSource, error) {
	src, err := broker.NewGroupSource(a.kafka, topic, group, a.brokerOptions("source")...)
	if err != nil {
		return nil, err
	}
	a.onClose(src.Close)
	return src, nil
}
