package replicas

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/roundtrip"
)

// Policy says how safe a write must be. The zero value takes the answer of the server alone for enough.
type Policy struct {
	Replicas int           // of each master that must have a write before it counts; 0 waits for none
	Timeout  time.Duration // longest wait for them, after which the write is tried again; below the client's read timeout
}

// Writer sends writes as its Policy demands. It is safe for concurrent use.
type Writer struct {
	rdb    redis.UniversalClient
	policy Policy
}

// New returns a Writer over rdb.
func New(rdb redis.UniversalClient, policy Policy) *Writer { return &Writer{rdb: rdb, policy: policy} }

// Waits reports whether a write has to be confirmed by replicas.
func (w *Writer) Waits() bool { return w.policy.Replicas > 0 }

// MissingError says that too few replicas have a write. It may have taken effect, and a failover may undo it: send it again.
type MissingError struct {
	Have, Want int           // replicas
	Waited     time.Duration // for them
}

// Error reads `1 of 2 replicas have it after 1s (redis.wait_replicas)`.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%d of %d replicas have it after %s (redis.wait_replicas)", e.Have, e.Want, e.Waited)
}

// Temporary says that another try may help: a replica comes back.
func (e *MissingError) Temporary() bool { return true }

// Barrier adds a write to pipe when w waits, so that the wait covers what stands before it in pipe even if that wrote nothing. key is
// in the slot of the others' keys.
func (w *Writer) Barrier(ctx context.Context, pipe redis.Pipeliner, key string) {
	if w.Waits() {
		pipe.Set(ctx, key, 1, 0)
	}
}

// Exec lets queue add the commands for each of keys to a pipeline, sends the pipelines, and returns for each key nil or why what was
// written for it is not safe. Errors of the commands are with the commands. Commands for one key stay in order.
func (w *Writer) Exec(ctx context.Context, keys []string, queue func(pipe redis.Pipeliner, i int)) []error {
	faults := make([]error, len(keys))
	if !w.Waits() {
		pipe := w.rdb.Pipeline()
		for i := range keys {
			queue(pipe, i)
		}
		_ = roundtrip.Exec(ctx, pipe)
		return faults
	}
	for node, part := range w.nodes(ctx, keys, faults) {
		pipe := node.Pipeline()
		for _, i := range part {
			queue(pipe, i)
		}
		wait := pipe.Do(ctx, "wait", w.policy.Replicas, w.policy.Timeout.Milliseconds())
		err := roundtrip.Exec(ctx, pipe)
		w.follow(ctx, err)
		have, err := wait.Int()
		if err == nil && have < w.policy.Replicas {
			err = &MissingError{have, w.policy.Replicas, w.policy.Timeout}
		}
		for _, i := range part {
			faults[i] = err
		}
	}
	return faults
}

// Load gives a script to every server that takes writes. A cluster's client would give it to replicas, too, and fail with a dead one.
func (w *Writer) Load(ctx context.Context, script *redis.Script) error {
	if cluster, ok := w.rdb.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return script.Load(ctx, node).Err() })
	}
	return script.Load(ctx, w.rdb).Err()
}

// pipeliner is the client of one server, or of the one that sentinels name.
type pipeliner interface{ Pipeline() redis.Pipeliner }

// nodes sorts keys by the server that has them: WAIT speaks for one server, and a cluster's client would send it to any.
func (w *Writer) nodes(ctx context.Context, keys []string, faults []error) map[pipeliner][]int {
	parts := map[pipeliner][]int{}
	cluster, ok := w.rdb.(*redis.ClusterClient)
	for i, key := range keys {
		if !ok {
			parts[w.rdb] = append(parts[w.rdb], i)
			continue
		}
		node, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			faults[i] = err
			continue
		}
		parts[node] = append(parts[node], i)
	}
	return parts
}

// follow looks at the cluster again when a node is gone or has given keys away: a pipeline to one node is not redirected.
func (w *Writer) follow(ctx context.Context, err error) {
	cluster, ok := w.rdb.(*redis.ClusterClient)
	if !ok || err == nil {
		return
	}
	var reply redis.Error
	if !errors.As(err, &reply) || strings.HasPrefix(reply.Error(), "MOVED ") || strings.HasPrefix(reply.Error(), "READONLY ") {
		cluster.ReloadState(ctx)
	}
}
