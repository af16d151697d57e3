package retry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reply is an error as a Redis server sends it.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestRetryable(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"nil", nil, false},
		{"stranger", errors.New("no such thing"), false},
		{"cancelled", context.Canceled, false},
		{"cancelled inside", fmt.Errorf("fetch: %w", context.Canceled), false},
		{"deadline of a try", fmt.Errorf("fetch: %w", context.DeadlineExceeded), true},
		{"peer hung up", fmt.Errorf("read: %w", io.EOF), true},
		{"half an answer", io.ErrUnexpectedEOF, true},
		{"closed client", io.ErrClosedPipe, false},
		{"closed connection", &net.OpError{Op: "read", Err: net.ErrClosed}, true},
		{"refused", refused, true},
		{"reset", fmt.Errorf("x: %w", syscall.ECONNRESET), true},
		{"not allowed", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}, false},
		{"cancelled dial", &net.OpError{Op: "dial", Err: context.Canceled}, false},
		{"name not found yet", &net.DNSError{Err: "no such host", Name: "kafka", IsNotFound: true}, true},
		{"no port", &net.OpError{Op: "dial", Err: &net.AddrError{Err: "missing port in address", Addr: "kafka"}}, false},
		{"tls alert", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, false},
		{"certificate", x509.UnknownAuthorityError{}, false},
		{"redis nil", redis.Nil, false},
		{"redis loading", reply("LOADING Redis is loading the dataset in memory"), true},
		{"redis readonly", fmt.Errorf("append window %q: %w", "u", reply("READONLY You can't write against a read only replica.")), true},
		{"redis oom", reply("OOM command not allowed when used memory > 'maxmemory'."), true},
		{"redis 6 oom in a script", reply("ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -OOM command not allowed when used memory > 'maxmemory'."), true},
		{"redis 6 fault in a script", reply("ERR Error running script (call to f_1): @user_script:3: attempt to index nil"), false},
		{"redis noscript", redis.ErrNoScript, true},
		{"redis unblocked", fmt.Errorf("wait for the AOF: %w", reply("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)")), true},
		{"redis loading in a transaction", fmt.Errorf("open deletion: %w", reply("EXECABORT Transaction discarded because of previous errors.")), true},
		{"redis wait on a replica", reply("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated."), true},
		{"redis waitaof on a replica", reply("ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated."), true},
		{"redis waitaof without an AOF", reply("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."), false},
		{"redis clients", reply("ERR max number of clients reached"), true},
		{"redis wrong type", reply("WRONGTYPE Operation against a key holding the wrong kind of value"), false},
		{"redis crossslot", redis.ErrCrossSlot, false},
		{"redis prefix only", reply("BUSYKEY Target key name already exists."), false},
		{"redis pool", fmt.Errorf("x: %w", redis.ErrPoolTimeout), true},
		{"redis closed", redis.ErrClosed, false},
		{"kafka leader", fmt.Errorf("publish: %w", kafka.LeaderNotAvailable), true},
		{"kafka too large", kafka.MessageSizeTooLarge, false},
		{"kafka batch, all passing", kafka.WriteErrors{nil, kafka.LeaderNotAvailable, nil}, true},
		{"kafka batch, one hopeless", kafka.WriteErrors{kafka.LeaderNotAvailable, kafka.MessageSizeTooLarge}, false},
		{"joined, one stranger", errors.Join(errors.New("context"), refused), true},
		{"joined, one cancelled", errors.Join(context.Canceled, refused), false},
		{"two wraps", fmt.Errorf("%w: %w", errors.New("sentinel"), refused), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Retryable(c.err); got != c.want {
				t.Errorf("Retryable(%v) = %v, want %v", c.err, got, c.want)
			}
		})
	}
}

func TestDo_untilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Initial: 20 * time.Millisecond, Max: time.Second}
		tries, waits := 0, []time.Duration(nil)
		err := Do(t.Context(), p, func(err error, wait time.Duration) {
			if !errors.Is(err, io.EOF) {
				t.Errorf("notified of %v", err)
			}
			waits = append(waits, wait)
		}, func(context.Context) error {
			if tries++; tries < 30 {
				return fmt.Errorf("try %d: %w", tries, io.EOF)
			}
			return nil
		})
		if err != nil || tries != 30 || len(waits) != 29 {
			t.Fatalf("err %v, %d tries, %d waits", err, tries, len(waits))
		}
		if waits[0] > 30*time.Millisecond || waits[28] < p.Max/2 || waits[28] > 3*p.Max/2 {
			t.Errorf("waits grow from %s to %s", waits[0], waits[28])
		}
	})
}

func TestDo_stops(t *testing.T) {
	hopeless := errors.New("hopeless")
	t.Run("at a permanent error", func(t *testing.T) {
		tries := 0
		err := Do(t.Context(), DefaultPolicy(), nil, func(context.Context) error { tries++; return hopeless })
		if !errors.Is(err, hopeless) || tries != 1 {
			t.Errorf("err %v after %d tries", err, tries)
		}
	})
	t.Run("before the first try of an ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := Do(ctx, DefaultPolicy(), nil, func(context.Context) error { t.Error("tried"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err %v", err)
		}
	})
	t.Run("in the wait, when the context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			err := Do(ctx, Policy{Initial: time.Hour, Max: time.Hour}, nil, func(context.Context) error { return io.EOF })
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, io.EOF) {
				t.Errorf("err %v, want the end of the context and the last fault", err)
			}
			if d := time.Since(start); d > time.Minute {
				t.Errorf("returned after %s", d)
			}
		})
	})
	t.Run("when the time is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := Do(t.Context(), Policy{MaxElapsed: 10 * time.Second}, nil, func(context.Context) error { return io.EOF })
			if !errors.Is(err, io.EOF) {
				t.Errorf("err %v", err)
			}
			if d := time.Since(start); d < 5*time.Second || d > 10*time.Second {
				t.Errorf("gave up after %s", d)
			}
		})
	})
	t.Run("when the context ends inside a try", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := Do(ctx, DefaultPolicy(), nil, func(ctx context.Context) error { cancel(); return ctx.Err() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err %v", err)
		}
	})
}

func TestDo_goesOnAfterTheDeadlineOfOneTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := Do(t.Context(), DefaultPolicy(), nil, func(ctx context.Context) error {
			if tries++; tries == 3 {
				return nil
			}
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		if err != nil || tries != 3 {
			t.Errorf("err %v after %d tries", err, tries)
		}
	})
}

func TestPolicy_Validate(t *testing.T) {
	if err := DefaultPolicy().Validate(); err != nil {
		t.Error(err)
	}
	err := Policy{Initial: time.Second, Max: time.Millisecond, MaxElapsed: -1}.Validate()
	const want = "retry.max 1ms: want at least retry.initial (1s)\nretry.max_elapsed -1ns: want 0s or more"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func ExampleDo() {
	tries := 0
	err := Do(context.Background(), DefaultPolicy(), nil, func(context.Context) error {
		if tries++; tries < 3 {
			return fmt.Errorf("dial broker: %w", syscall.ECONNREFUSED)
		}
		return nil
	})
	fmt.Println(tries, err)
	// Output: 3 <nil>
}
