package config

import "testing"

// A live round of either family's model has updates enough to be past its warm-up within the first epoch.
func TestDefaultText_roundsGetPastTheWarmUp(t *testing.T) {
	m, prompts := DefaultText().Machine, Default().Trainer.Text.Prompts
	for family, sizes := range map[string][2]int{
		"retrieval":  {m.Retrieval.Batch, m.Retrieval.Optimiser.Warmup},
		"generative": {m.Generative.Batch, m.Generative.Optimiser.Warmup},
	} {
		if updates := prompts / sizes[0]; updates < 2*sizes[1] {
			t.Errorf("%s: %d updates an epoch and a warm-up of %d", family, updates, sizes[1])
		}
	}
}
