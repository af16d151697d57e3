package chaos

import (
	"context"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config/sandbox"
)

// takeNames gives everything that the run writes a name of its own: the servers may be somebody else's, with a softrec on them.
func (r *run) takeNames(unique string) { r.left = sandbox.Names(&r.cfg, unique) }

// tellParts makes the environment of the parts: all settings of the run, wherever they came from. Flags of a part stand above it.
func (r *run) tellParts() (err error) {
	r.env, err = sandbox.Environ(r.cfg)
	return err
}

// sweep removes the run's topics, groups and keys from servers that are somebody else's. All parts have ended.
func (r *run) sweep() error {
	patience := time.Minute + r.o.Session
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	return r.left.Remove(ctx, r.cfg.Kafka, r.rdb, patience)
}
