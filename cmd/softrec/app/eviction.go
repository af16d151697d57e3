package app

import (
	"context"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// noEviction is the maxmemory-policy of Redis under which it refuses writes when it is full, and forgets nothing.
const noEviction = "noeviction"

// warnOfEviction says that a Redis may forget windows. It is no reason to stop: a user whose window goes starts anew, and nothing counts
// twice. A Redis that does not tell its policy is left alone.
func (a *App) warnOfEviction(ctx context.Context, rdb redis.UniversalClient) {
	var mu sync.Mutex
	policies := map[string]bool{}
	look := func(ctx context.Context, node *redis.Client) error {
		text, err := node.Info(ctx, "memory").Result()
		if policy := evicts(text); err == nil && policy != "" {
			mu.Lock()
			policies[policy] = true
			mu.Unlock()
		}
		return nil
	}
	switch c := rdb.(type) {
	case *redis.ClusterClient:
		_ = c.ForEachMaster(ctx, look) // one that is away says it elsewhere
	case *redis.Client:
		_ = look(ctx, c) // never an error
	}
	for policy := range policies {
		a.log.Warn("Redis may evict what softrec keeps: users whose windows go start anew; set maxmemory-policy to "+noEviction,
			"component", "ingest", "policy", policy)
	}
}

// evicts returns the policy by which a server evicts, "" for one that does not: it has no limit, or refuses writes at it. text is what
// it answers to INFO memory.
func evicts(text string) (policy string) {
	limited := false
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "maxmemory":
			limited = value != "0"
		case "maxmemory_policy":
			policy = value
		}
	}
	if !limited || policy == noEviction {
		return ""
	}
	return policy
}
