package ingest

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/softrec/softrec/schema"
)

// A Redis that answers every command with one of its passing refusals holds ingest up, for as long as it does so, and costs nothing.
func TestConsumer_waitsOutRefusals(t *testing.T) {
	for _, reply := range []string{
		"OOM command not allowed when used memory > 'maxmemory'.",
		"READONLY You can't write against a read only replica.",
		"LOADING Redis is loading the dataset in memory",
		"CLUSTERDOWN The cluster is down",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
	} {
		t.Run(reply[:6], func(t *testing.T) {
			b := newBench(t, t.TempDir())
			server := miniredis.RunT(t)
			b.addrs = []string{server.Addr()}
			b.redis = b.openRedis()
			reg := prometheus.NewRegistry()
			c := b.resume(reg)
			b.publish(anonymous(1, 100, 10)...)
			b.committed(b.cfg.Topic)
			server.SetError(reply)
			b.publish(anonymous(2, 100, 10)...)
			b.eventually("ingest tries again", func() bool {
				return counted(t, reg, "softrec_ingest_retries_total") > 1
			})
			server.SetError("")
			b.committed(b.cfg.Topic)
			b.check()
			c.end(t)
		})
	}
}

// The log of a transactional producer has markers between its records, which kafka-go hands out as records, and what was aborted. The
// markers are set aside and everything else is applied.
func TestConsumer_transactions(t *testing.T) {
	b := newBench(t, "")
	b.cfg.Partitions = 4
	c := b.resume(prometheus.NewRegistry())
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.Brokers...), kgo.TransactionalID(b.cfg.Group), kgo.DefaultProduceTopic(b.cfg.Topic))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	sent := 0
	for round := range 4 {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, r := range anonymous(uint64(round+1), 25, 5) {
			if err := producer.ProduceSync(b.ctx, &kgo.Record{Key: r.Key, Value: r.Value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		if err := producer.EndTransaction(b.ctx, kgo.TransactionEndTry(round%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	b.publish(eventRecord(schema.Event{UserID: "after", ItemID: "i", Timestamp: start}))
	b.committed(b.cfg.Topic)
	b.check()
	events := 0
	for _, r := range b.readAll(b.cfg.Topic) {
		if _, err := schema.DecodeEvent(r.Value); err == nil {
			events++
		}
	}
	if events != sent+1 {
		t.Errorf("%d events in the log, %d were sent", events, sent+1)
	}
	dead := b.readAll(b.cfg.DeadLetterTopic)
	if len(dead) == 0 {
		t.Error("no marker was set aside: the test shows nothing")
	}
	if w, err := b.windows().Window(b.ctx, "after"); err != nil || len(w.Entries) != 1 {
		t.Errorf("what came after the transactions: %+v, %v", w, err)
	}
	c.end(t)
}
