package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// redisLog is where go-redis says what it would print itself: every failed dial while Redis is away. The parts report such
// faults in words of their own, so these are for debugging.
type redisLog struct{ log *slog.Logger }

// Printf implements go-redis's logging interface.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, args...), "component", "go-redis")
}

// QuietRedis sends what go-redis logs by itself to log, at debug. It is the client library's one setting for the whole
// process, so main calls it, not a part.
func QuietRedis(log *slog.Logger) { redis.SetLogger(redisLog{log}) }
