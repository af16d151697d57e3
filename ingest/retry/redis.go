package retry

import (
	"slices"
	"strings"
)

// redisError is how go-redis marks an error that the server sent.
type redisError interface {
	error
	RedisError()
}

// poolTimeout is go-redis's error when every connection is in use. It is a bare errors.New without any interface, so
// its text is all there is; load ends, hence transient.
const poolTimeout = "redis: connection pool timeout"

// transientReplies start the replies that describe a state of the server which passes without our doing.
var transientReplies = []string{
	"LOADING",                           // it reads its data after a restart
	"READONLY",                          // we still talk to a master that became a replica; the client finds the new one
	"UNBLOCKED",                         // it became one while it was asked, in WAIT or WAITAOF
	"MASTERDOWN",                        // a replica without its master, during a failover
	"CLUSTERDOWN",                       // slots without an owner, during a failover
	"TRYAGAIN",                          // a slot is being moved and its keys are on two nodes
	"MOVED",                             // the client ran out of redirects while the slots moved
	"ASK",                               // the same, for one key
	"NOREPLICAS",                        // fewer replicas than min-replicas-to-write
	"BUSY",                              // another script runs past its limit
	"OOM",                               // maxmemory reached: an operator adds memory, the events wait on Kafka
	"MISCONF",                           // it cannot write its disk: an operator repairs it
	"NOSCRIPT",                          // restarted since the script was loaded; the store loads it again
	"ERR max number of clients reached", // others disconnect
	"EXECABORT",                         // a command of a transaction was refused as it was queued, mostly by LOADING: nothing was done, and it is not said which

	"ERR WAIT cannot be used with replica", "ERR WAITAOF cannot be used with replica", // as READONLY
}

// judgeRedis decides by the reply. A reply that is none of the passing states (WRONGTYPE, NOAUTH, CROSSSLOT, a fault
// in a script, or nil) is permanent.
func judgeRedis(reply string) verdict {
	passing := func(prefix string) bool {
		// Before Redis 7 an error inside a script arrives wrapped: "ERR Error running script (...): -OOM command ...".
		return strings.HasPrefix(reply, prefix+" ") || reply == prefix ||
			(strings.HasPrefix(reply, "ERR Error running script") && strings.Contains(reply, " -"+prefix+" "))
	}
	if slices.ContainsFunc(transientReplies, passing) {
		return transient
	}
	return permanent
}
