package ingest

import (
	"os"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// A broker that leads some partitions is killed with -9 while events are published and consumed, stays away for a while, and comes
// back. Nothing acknowledged is lost, nothing is doubled, and publishing goes on without it.
func TestConsumer_aBrokerDies(t *testing.T) {
	if !several(os.Getenv("TEST_KAFKA")) || os.Getenv("TEST_SERVERS") == "" {
		t.Skip("wants two brokers that it may kill: .ci/servers.sh with-several")
	}
	b := newBench(t, "")
	b.patient(4 * time.Minute)
	l := newJournal(b, 97)
	awaitCopies(b, 2) // the one to die: broker 1 is the controller, of which production has three
	for range 2 {
		c := b.consume()
		t.Cleanup(func() { _ = c.halt() })
	}
	p := b.producer()
	publish := func(rounds int) {
		t.Helper()
		for range rounds {
			if err := l.publish(p, 50); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(20)
	done := make(chan error, 1)
	go func() { // publishes all the while
		var err error
		for i := 0; i < 60 && err == nil; i++ {
			err = l.publish(p, 50)
		}
		done <- err
	}()
	control(t, "kill", "kafka-2")
	killed := time.Now()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	publish(10)
	b.committed(b.cfg.Topic)
	t.Logf("without the broker everything was committed %s after the kill", time.Since(killed).Round(100*time.Millisecond))
	control(t, "again", "kafka-2")
	publish(10)
	awaitCopies(b, 0)
	publish(10)
	l.settled()
}

// awaitCopies waits until each partition is on two brokers that are in step, and broker, if it is not 0, leads one of them. One that
// came back leads nothing for minutes unless it is asked for.
func awaitCopies(b *bench, broker int) {
	b.t.Helper()
	transport := &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(b.kafka.Brokers...), Transport: transport, Timeout: time.Minute}
	b.eventually("two copies of each partition", func() bool {
		res, err := client.Metadata(b.ctx, &kafka.MetadataRequest{Topics: []string{b.cfg.Topic}})
		if err != nil || len(res.Topics) != 1 || len(res.Topics[0].Partitions) != b.cfg.Partitions {
			return false
		}
		led, all := 0, make([]int, b.cfg.Partitions)
		for i, p := range res.Topics[0].Partitions {
			all[i] = p.ID
			if len(p.Isr) != 2 {
				return false
			}
			if p.Leader.ID == broker {
				led++
			}
		}
		if broker == 0 || led > 0 {
			return true
		}
		if _, err := client.ElectLeaders(b.ctx, &kafka.ElectLeadersRequest{Topic: b.cfg.Topic, Partitions: all, Timeout: 5 * time.Second}); err != nil {
			b.t.Log("elect the preferred leaders:", err)
		}
		return false
	})
}
