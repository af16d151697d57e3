package broker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/softrec/softrec/ingest/retry"
)

// A broker that has just come back knows partitions and no leaders of them yet. kafka-go says so in words of its own, which a publish once
// took for the end: 48 events of a run of softrec chaos were given up that way.
func TestLeaderless_isWaitedFor(t *testing.T) {
	err := fmt.Errorf("kafka.(*Client).Produce: %w", protocol.NewErrNoLeader("events", 0))
	if retry.Retryable(err) {
		t.Fatal("kafka-go calls it temporary itself now: leaderless is not needed any more")
	}
	got := leaderless(err)
	if !retry.Retryable(got) || !errors.Is(got, protocol.ErrNoLeader) {
		t.Errorf("%v: want an error that is tried again and says why", got)
	}
	if other := errors.New("another"); leaderless(other) != other {
		t.Error("another error is changed")
	}
}
