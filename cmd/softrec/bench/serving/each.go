package serving

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// each does something for every user, over all connections to a server.
func (b *lab) each(ctx context.Context, addr string, do func(c *client, user int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for k := range b.o.Connections {
		g.Go(func() error {
			c := newClient(addr)
			defer c.close()
			for u := k; u < b.o.Users && ctx.Err() == nil; u += b.o.Connections {
				if err := do(c, u); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}
