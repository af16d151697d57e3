package rival

import (
	"fmt"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// Simple returns the simple models of the given names. They depend on no seed.
func Simple(names ...string) ([]Contender, error) {
	build := map[string]func() Contender{
		evaluation.Popularity: NewPopularity, evaluation.DecayedPopularity: NewDecayedPopularity,
		evaluation.Repeats: NewRepeats, evaluation.Transitions: NewTransitions,
	}
	var out []Contender
	for _, n := range names {
		b, ok := build[n]
		if !ok {
			return nil, fmt.Errorf("model %q: is not one of the simple models", n)
		}
		out = append(out, b())
	}
	return out, nil
}

// SimpleNames returns the names that Simple knows.
func SimpleNames() []string {
	return []string{evaluation.Popularity, evaluation.DecayedPopularity, evaluation.Repeats, evaluation.Transitions}
}
