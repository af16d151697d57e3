package embedded

import (
	"github.com/alicebob/miniredis/v2"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/window"
)

// natives are the Go twins of all scripts of ingest, by SHA-1.
func natives() map[string]native {
	all := map[string]native{}
	for sha, run := range window.Natives() {
		all[sha] = func(db *miniredis.RedisDB, keys, argv []string) (any, error) { return run(db, keys, argv) }
	}
	for sha, run := range catalog.Natives() {
		all[sha] = func(db *miniredis.RedisDB, keys, argv []string) (any, error) { return run(db, keys, argv) }
	}
	return all
}
