package broker

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cutConnections makes c drop the connection of every request until the returned function is called.
func cutConnections(t *testing.T, c *kfake.Cluster) (mend func()) {
	t.Helper()
	var mended atomic.Bool
	c.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		if mended.Load() {
			return nil, nil, false
		}
		c.KeepControl()
		return nil, errors.New("cut"), true
	})
	return func() { mended.Store(true) }
}
