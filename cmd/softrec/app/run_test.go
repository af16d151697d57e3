package app

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func waiting(ctx context.Context) error { <-ctx.Done(); return nil }

func TestRunTogether(t *testing.T) {
	broken := errors.New("broken")
	cases := map[string]struct {
		part Part
		want error
	}{
		"a fault ends all":        {Part{"b", func(context.Context) error { return broken }}, broken},
		"an early nil is a fault": {Part{"b", func(context.Context) error { return nil }}, errEnded},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := runTogether(t.Context(), []Part{{"a", waiting}, c.part}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runTogether(ctx, []Part{{"a", waiting}, {"b", waiting}}); err != nil {
		t.Errorf("an orderly stop gave %v", err)
	}
}
