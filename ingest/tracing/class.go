package tracing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
)

// answers are the words that a refusal of Redis begins with.
var answers = [...]string{"ASK", "BUSY", "BUSYGROUP", "BUSYKEY", "CLUSTERDOWN", "CROSSSLOT", "ERR", "EXECABORT", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "NOAUTH",
	"NOPERM", "NOREPLICAS", "NOSCRIPT", "OOM", "READONLY", "TRYAGAIN", "UNBLOCKED", "UNKILLABLE", "WRONGPASS", "WRONGTYPE"}

// Class says of what kind an error is, in words of a fixed set: "canceled", "timeout", the first word of a refusal by Redis ("redis OOM"),
// the title of a Kafka error ("kafka Not Enough Replicas"), a fault of the system ("connection refused"), or else the Go type that
// says most. It never holds the error's text, in which users' ids and values may stand. Empty for nil.
func Class(err error) string {
	var (
		redis interface {
			error
			RedisError()
		}
		kafka interface {
			error
			Title() string
		}
		network net.Error
		fault   syscall.Errno
	)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.As(err, &redis):
		word, _, _ := strings.Cut(redis.Error(), " ")
		if slices.Contains(answers[:], word) {
			return "redis " + word
		}
		return "redis"
	case errors.As(err, &kafka) && kafka.Title() != "":
		return "kafka " + kafka.Title()
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.As(err, &fault):
		return fault.Error()
	}
	return typeOf(err)
}

// typeOf is the first type in err's chain that is not a mere wrapping, or the innermost one.
func typeOf(err error) string {
	for {
		name := fmt.Sprintf("%T", err)
		if !strings.HasPrefix(name, "*fmt.") && !strings.HasPrefix(name, "*errors.") {
			return name
		}
		var inner error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				inner = all[0]
			}
		}
		if inner == nil {
			return name
		}
		err = inner
	}
}
