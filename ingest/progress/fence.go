package progress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/retry"
)

// RestartedError is what a fenced client says of a Redis that is not the process it was: it was restarted, a replica took its place, or a
// node joined the cluster. It may have lost its newest writes. Waiting does not help: Accept does.
type RestartedError struct{ RunID string }

// Error names the new process.
func (e *RestartedError) Error() string {
	return fmt.Sprintf("Redis is another process than before (run id %s): it may have lost its newest writes", e.RunID)
}

// Temporary implements what retry asks for.
func (*RestartedError) Temporary() bool { return false }

// Fence lets a client talk only to the processes of Redis that were there at the last Accept. A restart ends every connection, so
// looking at each new one is enough. A server that does not tell its run id (INFO is forbidden, or it has none) is let through always.
type Fence struct {
	mu    sync.Mutex
	known map[string]bool // run ids
	seen  map[string]bool // those of connections made while an Accept is at work; nil otherwise
}

// NewFence returns a Fence that lets nothing through before the first Accept.
func NewFence() *Fence { return &Fence{known: map[string]bool{}} }

// Guard puts the fence in front of a client that is about to be made.
func (f *Fence) Guard(o *redis.UniversalOptions) { o.OnConnect = f.connected }

func (f *Fence) connected(ctx context.Context, cn *redis.Conn) error {
	id, err := runID(cn.Info(ctx, "server"))
	if err == nil && f.accepting() {
		err = isMaster(cn.Info(ctx, "replication"))
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.seen != nil:
		f.seen[id] = true
	case !f.known[id]:
		return &RestartedError{id}
	}
	return nil
}

func (f *Fence) accepting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen != nil
}

// runID reads the name that a Redis process has given itself, "" where it does not tell.
func runID(info *redis.StringCmd) (string, error) { return field(info, "run_id") }

// isMaster returns an error for a replica. A cluster's client asks any node which ones there are; a connection to a replica that was let
// through while an Accept was at work would be one to the next master, which nobody has accepted.
func isMaster(info *redis.StringCmd) error {
	role, err := field(info, "role")
	if role == "slave" {
		err = errReplica
	}
	return err
}

// field reads a line of what a server tells about itself, "" where it does not.
func field(info *redis.StringCmd, name string) (string, error) {
	text, err := info.Result()
	if silent(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value, nil
		}
	}
	return "", nil
}

// refusals begin the replies of a server that takes nothing from us: the login is missing or wrong, or it is in protected mode.
var refusals = []string{"WRONGPASS", "NOAUTH", "ERR AUTH", "DENIED"}

// silent reports whether err is the reply of a server that does not tell: no right to ask, no such command or section, in its own words.
func silent(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) || retry.Retryable(err) {
		return false
	}
	return !slices.ContainsFunc(refusals, func(prefix string) bool { return strings.HasPrefix(reply.Error(), prefix) })
}

// Accept takes the processes of Redis as they are now. rdb is the client behind the fence. The caller must not write meanwhile, and
// must afterwards read anew what it believes to be in Redis. An error may pass.
func (f *Fence) Accept(ctx context.Context, rdb redis.UniversalClient) error {
	f.mu.Lock()
	f.seen, f.known = map[string]bool{}, map[string]bool{}
	f.mu.Unlock()
	ids, err := runIDs(ctx, rdb)
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	if err != nil {
		return fmt.Errorf("ask Redis which process it is: %w", err)
	}
	for id := range seen {
		if !ids[id] {
			return errRestarting
		}
	}
	f.known = ids
	return nil
}

// errReplica may pass: it is promoted, or the client finds its master.
var errReplica = &replica{}

type replica struct{}

func (*replica) Error() string   { return "this Redis is a replica" }
func (*replica) Temporary() bool { return true }

// errRestarting says that Redis was restarted while it was asked.
var errRestarting = &restarting{}

type restarting struct{}

func (*restarting) Error() string {
	return "Redis was restarted while it was asked which process it is"
}
func (*restarting) Temporary() bool { return true }

// runIDs asks every master.
func runIDs(ctx context.Context, rdb redis.UniversalClient) (map[string]bool, error) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		id, err := runID(rdb.Info(ctx, "server"))
		return map[string]bool{id: true}, err
	}
	var mu sync.Mutex
	ids := map[string]bool{}
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		id, err := runID(node.Info(ctx, "server"))
		mu.Lock()
		defer mu.Unlock()
		ids[id] = true
		return err
	})
	return ids, err
}
