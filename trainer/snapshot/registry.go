package snapshot

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// HistoryLen is how many versions the registry remembers, the live one included.
const HistoryLen = 100

// ErrNoPrevious is the error of a roll-back with nothing to roll back to.
var ErrNoPrevious = errors.New("no earlier model version in the history")

// Registry is the pointer to the live version, with the line of versions that led to it. It does not look whether a version is
// stored: write first, then promote. Both keys share a hash tag, so each change is atomic on a cluster too.
type Registry struct {
	rdb  redis.UniversalClient
	keys schema.Keys
}

// NewRegistry returns the registry under keys.
func NewRegistry(rdb redis.UniversalClient, keys schema.Keys) *Registry {
	return &Registry{rdb: rdb, keys: keys}
}

// promote points at ARGV[1] and puts it in front of the history, unless it is live already: a repeated call after a lost
// answer must not lengthen the history. KEYS: current, history.
var promote = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('LINDEX', KEYS[2], 0) == ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[2]) - 1)
return 1
`)

// replace is promote where nobody else has moved the pointer from ARGV[2] meanwhile. It answers the version that is live.
// KEYS: current, history.
var replace = redis.NewScript(`
local current = redis.call('GET', KEYS[1])
if current and current ~= '' and current ~= ARGV[1] and current ~= ARGV[2] then
  return current
end
if current == ARGV[1] and redis.call('LINDEX', KEYS[2], 0) == ARGV[1] then
  return ARGV[1]
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[3]) - 1)
return ARGV[1]
`)

// retreat points at ARGV[2] and forgets what was live after it, where ARGV[1] is still the live one. It answers the version
// that is live. KEYS: current, history.
var retreat = redis.NewScript(`
local current = redis.call('GET', KEYS[1])
if current ~= ARGV[1] then
  return current or ''
end
redis.call('SET', KEYS[1], ARGV[2])
local history = redis.call('LRANGE', KEYS[2], 0, -1)
for i = 1, #history do
  if history[i] == ARGV[2] then
    redis.call('LTRIM', KEYS[2], i - 1, -1)
    return ARGV[2]
  end
end
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[3]) - 1)
return ARGV[2]
`)

// rollback points at the newest version of the history that is not the live one and forgets what was live after it, so that a
// second roll-back goes one further and not back again. It answers false where there is none. KEYS: current, history.
var rollback = redis.NewScript(`
local current = redis.call('GET', KEYS[1])
local history = redis.call('LRANGE', KEYS[2], 0, -1)
for i = 1, #history do
  if history[i] ~= current then
    redis.call('SET', KEYS[1], history[i])
    redis.call('LTRIM', KEYS[2], i - 1, -1)
    return history[i]
  end
end
return false
`)

func (r *Registry) names() []string { return []string{r.keys.ModelCurrent(), r.keys.ModelHistory()} }

// Current returns the live version, "" where none was promoted yet.
func (r *Registry) Current(ctx context.Context) (string, error) {
	v, err := r.rdb.Get(ctx, r.keys.ModelCurrent()).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the live model version: %w", err)
	}
	return v, nil
}

// History returns the line of versions that led to the live one, newest first; the live one is its head.
func (r *Registry) History(ctx context.Context) ([]string, error) {
	h, err := r.rdb.LRange(ctx, r.keys.ModelHistory(), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read the model history: %w", err)
	}
	return h, nil
}

// Promote makes version the live one. Promoting the live one again changes nothing.
func (r *Registry) Promote(ctx context.Context, version string) error {
	if version == "" {
		return errors.New(`promote model version "": is required`)
	}
	if err := promote.Run(ctx, r.rdb, r.names(), version, HistoryLen).Err(); err != nil {
		return fmt.Errorf("promote model version %q: %w", version, err)
	}
	return nil
}

// Replace makes version the live one in place of over, "" for none, and returns the live version: another one, with nothing
// changed, where somebody has moved the pointer to it meanwhile. A lost pointer is nobody's decision and is set.
func (r *Registry) Replace(ctx context.Context, over, version string) (live string, err error) {
	if version == "" {
		return "", errors.New(`promote model version "": is required`)
	}
	if live, err = replace.Run(ctx, r.rdb, r.names(), version, over, HistoryLen).Text(); err != nil {
		return "", fmt.Errorf("promote model version %q over %q: %w", version, over, err)
	}
	return live, nil
}

// Retreat makes version live again, which was so before from, and returns the live version: another one, with nothing
// changed, where from is live no longer. What it leaves goes out of the history, as with Rollback.
func (r *Registry) Retreat(ctx context.Context, from, version string) (live string, err error) {
	if from == "" || version == "" {
		return "", fmt.Errorf("go back from model version %q to %q: both are required", from, version)
	}
	if live, err = retreat.Run(ctx, r.rdb, r.names(), from, version, HistoryLen).Text(); err != nil {
		return "", fmt.Errorf("go back from model version %q to %q: %w", from, version, err)
	}
	return live, nil
}

// Previous returns the version Rollback would go to now, or ErrNoPrevious: for looking first whether it can be read.
func (r *Registry) Previous(ctx context.Context) (string, error) {
	current, err := r.Current(ctx)
	if err != nil {
		return "", err
	}
	history, err := r.History(ctx)
	if err != nil {
		return "", err
	}
	for _, v := range history {
		if v != current {
			return v, nil
		}
	}
	return "", ErrNoPrevious
}

// Rollback makes the version live that was so before the live one, and returns it; ErrNoPrevious, with nothing changed, where
// there is none. What it leaves goes out of the history: a second call goes back one more.
func (r *Registry) Rollback(ctx context.Context) (string, error) {
	v, err := rollback.Run(ctx, r.rdb, r.names()).Text()
	if errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("roll the model back: %w", ErrNoPrevious)
	}
	if err != nil {
		return "", fmt.Errorf("roll the model back: %w", err)
	}
	return v, nil
}
