package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/schema"
)

// refusal is an answer of Redis.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

var _ redis.Error = refusal("")

// The class of an error says what an operator looks for and never holds its text, however the error is wrapped.
func TestClass(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{context.Canceled, "canceled"},
		{context.DeadlineExceeded, "timeout"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "timeout"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "connection refused"},
		{refusal("OOM command not allowed when used memory > 'maxmemory'"), "redis OOM"},
		{refusal("READONLY You can't write against a read only replica."), "redis READONLY"},
		{refusal("alice is not known"), "redis"},
		{kafka.NotEnoughReplicas, "kafka " + kafka.NotEnoughReplicas.Title()},
		{&schema.FieldError{Field: "user_id", Value: "alice", Reason: "alice"}, "*schema.FieldError"},
		{errors.Join(fmt.Errorf("alice: %w", &schema.FieldError{}), errors.New("alice")), "*schema.FieldError"},
		{errors.New("alice"), "*errors.errorString"},
		{fmt.Errorf("%w: alice: %w", errors.New("alice"), context.Canceled), "canceled"},
	} {
		for _, err := range []error{c.err, fmt.Errorf("read window %q: %w", "alice", c.err), errors.Join(c.err)} {
			if c.err == nil && err != nil {
				continue
			}
			got := tracing.Class(err)
			if got != c.want || strings.Contains(got, "alice") {
				t.Errorf("%v: class %q, want %q", err, got, c.want)
			}
		}
	}
}
