package ingest

import (
	"os"
	"testing"
	"time"
)

// The broker dies that is the only controller as well. Nobody can elect leaders or take it off the list of those in step, so publishing
// stands still. When it comes back everything goes on, and nothing acknowledged is lost or doubled.
func TestConsumer_theControllerDies(t *testing.T) {
	if !several(os.Getenv("TEST_KAFKA")) || os.Getenv("TEST_SERVERS") == "" {
		t.Skip("wants two brokers that it may kill: .ci/servers.sh with-several")
	}
	b := newBench(t, "")
	b.patient(4 * time.Minute)
	b.kafka.PublishTimeout = 0 // until the test ends
	l := newJournal(b, 97)
	awaitCopies(b, 1)
	c := b.consume()
	p := b.producer()
	publish := func(rounds int) error {
		var err error
		for i := 0; i < rounds && err == nil; i++ {
			err = l.publish(p, 50)
		}
		return err
	}
	if err := publish(20); err != nil {
		t.Fatal(err)
	}
	control(t, "kill", "kafka-1")
	killed := time.Now()
	done := make(chan error, 1)
	go func() { done <- publish(20) }()
	control(t, "again", "kafka-1")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("everything is acknowledged %s after the kill", time.Since(killed).Round(100*time.Millisecond))
	awaitCopies(b, 0)
	if err := publish(10); err != nil {
		t.Fatal(err)
	}
	l.settled()
	if err := c.halt(); err != nil {
		t.Error(err)
	}
}
