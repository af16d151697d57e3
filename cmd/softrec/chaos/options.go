package chaos

import (
	"errors"
	"fmt"
	"time"
)

// Options say what to break and how much. Start from DefaultOptions.
type Options struct {
	Events    int           // sent in all
	Rate      int           // events/s
	Kills     int           // kill -9s; for every five there is a pause and for every ten a rebalance besides
	Users     int           // whose events they are
	Requests  int           // recommendations asked a second
	Session   time.Duration // session timeout of ingest: how long a killed one holds its partitions
	Patience  time.Duration // longest wait for anything to recover, and for the end
	Seed      uint64        // of events and faults
	JSON      string        // file for the result, empty for none
	Dir       string        // folder for logs and data; empty makes one and removes it
	KafkaLibs string        // folder of Kafka's jars, for a Kafka and a Redis of the run's own
	Redis     string        // command of the Redis server for that
	Java      string        // command of Java for that
	Self      []string      // command line of softrec, less its arguments: this binary
}

// DefaultOptions take about a minute and a half.
func DefaultOptions() Options {
	return Options{Events: 100_000, Rate: 2000, Kills: 10, Users: 2000, Requests: 20, Session: 6 * time.Second, Patience: 3 * time.Minute, Seed: 1, Redis: "redis-server", Java: "java"}
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	check := func(ok bool, flag string, value any, want string) {
		if !ok {
			faults = append(faults, fmt.Errorf("--%s %v: want %s", flag, value, want))
		}
	}
	check(o.Events >= 100 && o.Events <= 100_000_000, "events", o.Events, "100 to 100000000")
	check(o.Rate >= 1 && o.Rate <= 1_000_000, "rate", o.Rate, "1 to 1000000")
	check(o.Kills >= 0 && o.Kills <= 10_000, "kills", o.Kills, "0 to 10000")
	check(o.Users >= 1 && o.Users <= 10_000_000, "users", o.Users, "1 to 10000000")
	check(o.Requests >= 0 && o.Requests <= 10_000, "requests", o.Requests, "0 to 10000")
	check(o.Session >= time.Second && o.Session <= 10*time.Minute, "session", o.Session, "1s to 10m")
	check(o.Patience >= time.Second, "patience", o.Patience, "at least 1s")
	check(len(o.Self) > 0, "self", o.Self, "the command of softrec")
	return errors.Join(faults...)
}
