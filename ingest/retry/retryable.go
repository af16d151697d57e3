// Package retry holds the one decision whether a fault of Kafka, Redis or the network is worth another try, and the
// loop that tries again with growing waits.
//
// It owns no state and starts no goroutine. It imports neither client: faults are told apart by the interfaces and the
// standard errors they carry, so both adapters share one judgement. It needs one thing from the caller: an operation
// that may run more than once (every write of softrec is skipped when it was applied before).
package retry

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"
)

// verdict is what one link of an error chain says about trying again.
type verdict int

const (
	unknown   verdict = iota // says nothing: the links below decide
	transient                // the same call may succeed later
	permanent                // the same call will fail again, or must not be made again
)

// Retryable reports whether the operation that returned err may succeed when it is simply done again. A nil error, an
// error nobody recognises and an ended context are not retryable. An error that joins several is retryable when one of
// them is and none is permanent: a batch with one hopeless part stays hopeless.
func Retryable(err error) bool { return classify(err) == transient }

// classify asks the outermost link first: it knows most about what was being done.
func classify(err error) verdict {
	for err != nil {
		if v := judge(err); v != unknown {
			return v
		}
		if errs, ok := parts(err); ok {
			return classifyAll(errs)
		}
		err = errors.Unwrap(err)
	}
	return unknown
}

func classifyAll(errs []error) verdict {
	result := unknown
	for _, err := range errs {
		switch classify(err) {
		case permanent:
			return permanent
		case transient:
			result = transient
		}
	}
	return result
}

// parts returns the errors joined in err. kafka.WriteErrors, one error per message of a batch, is a plain []error
// without Unwrap, hence the look at its kind.
func parts(err error) ([]error, bool) {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap(), true
	}
	v := reflect.ValueOf(err)
	if v.Kind() != reflect.Slice || !v.CanConvert(reflect.TypeFor[[]error]()) {
		return nil, false
	}
	return v.Convert(reflect.TypeFor[[]error]()).Interface().([]error), true
}

// kafkaError is a code the broker answered with. It must be asked before net.Error, which it satisfies by accident.
// Temporary is Kafka's own list of retriable codes (leader election, coordinator loading, too few replicas); the others,
// such as a too large message or a fenced generation, come again in the same way.
type kafkaError interface {
	Temporary() bool
	Title() string
}

// judge looks at one link of a chain, without unwrapping it.
func judge(err error) verdict {
	if v := judgeValue(err); v != unknown {
		return v
	}
	switch e := err.(type) {
	case redisError:
		return judgeRedis(e.Error())
	case syscall.Errno:
		return judgeErrno(e)
	case *net.AddrError, *net.ParseError, net.UnknownNetworkError, net.InvalidAddrError:
		// "missing port in address": the configuration is wrong, and stays wrong.
		return permanent
	case *net.OpError:
		return judgeOp(e)
	case kafkaError:
		if e.Temporary() {
			return transient
		}
		return permanent
	case net.Error:
		if op := new(net.OpError); errors.As(e, &op) && op.Op == remoteError {
			return permanent // crypto/tls wraps the alert in an error that only says that it is not temporary
		}
		// A timeout, or a name that does not resolve: a container's name appears in DNS when it starts.
		return transient
	case interface{ Temporary() bool }:
		if e.Temporary() {
			return transient
		}
		return permanent
	}
	return unknown
}

// judgeValue knows the errors that are plain values.
func judgeValue(err error) verdict {
	switch err {
	case context.Canceled:
		// Somebody wants the work to end; a retry would fight that.
		return permanent
	case context.DeadlineExceeded, os.ErrDeadlineExceeded:
		// The deadline of one attempt. Do looks at the caller's own context before it asks.
		return transient
	case io.EOF, io.ErrUnexpectedEOF, io.ErrNoProgress:
		// The peer hung up, as a broker does when it restarts. (A closed kafka-go Reader says io.EOF too: its adapter
		// must remember that it was closed.)
		return transient
	case net.ErrClosed:
		// The pool closed the connection under the request, for example after another one's timeout.
		return transient
	case io.ErrClosedPipe:
		// kafka-go's answer of a closed Reader or Writer: it never opens again.
		return permanent
	}
	if err.Error() == poolTimeout {
		return transient
	}
	return unknown
}

// remoteError is the operation of an error that stands for a TLS alert of the peer.
const remoteError = "remote error"

// judgeOp decides a failed dial, read or write by what the system said.
func judgeOp(e *net.OpError) verdict {
	if e.Op == remoteError {
		// A TLS alert: the peer refused our certificate or version and will refuse it again.
		return permanent
	}
	if v := classify(e.Err); v != unknown {
		return v
	}
	return transient
}

// judgeErrno treats a system error as a passing state of the network, but for the few that come from the call itself.
func judgeErrno(e syscall.Errno) verdict {
	switch e {
	case syscall.EACCES, syscall.EPERM, syscall.EINVAL, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.ENOENT:
		return permanent
	}
	return transient
}
