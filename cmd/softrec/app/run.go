package app

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Part is something that runs until its context is done, flushes and returns nil.
type Part struct {
	Name string
	Run  func(ctx context.Context) error
}

// errEnded marks a part that returned nil although nobody asked it to end.
var errEnded = errors.New("ended by itself")

// runTogether runs parts until ctx is done or one of them ends. Nil means that all ended because ctx was done.
func runTogether(ctx context.Context, parts []Part) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		g.Go(func() error {
			err := p.Run(gctx)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", p.Name, err)
			case gctx.Err() == nil:
				return fmt.Errorf("%s: %w", p.Name, errEnded)
			default:
				return nil
			}
		})
	}
	return g.Wait()
}
