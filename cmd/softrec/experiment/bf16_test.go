package experiment

import (
	"context"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/model/lm"
)

// TestDigest_ofNumbers: runs of before --bf16 knew auto are found again, with auto too where it comes to the same. The digests are
// those of 30 November 2026.
func TestDigest_ofNumbers(t *testing.T) {
	const float32s, bfloat16s = "317fd21b761170dc537c3aa5", "490ab6ac66df6d28ab15e155"
	for _, c := range []struct {
		ask, comes lm.BF16
		want       string
	}{
		{lm.BF16Off, lm.BF16Off, float32s}, {lm.BF16On, lm.BF16On, bfloat16s}, {lm.BF16Auto, lm.BF16Off, float32s}, {lm.BF16Auto, lm.BF16On, bfloat16s},
	} {
		o := fakeOptions(t, true)
		o.BF16, o.MaskHistory = c.ask, split.FilterAuto // the default then
		open := fakeKit(t, fakeModel{trains: new(int)})
		r := &runner{o: o.Filled(), log: silent(nil)}
		err := r.prepare(t.Context(), func(ctx context.Context, o Options, cat Catalogue) (*Kit, error) {
			kit, err := open(ctx, o, cat)
			if err == nil {
				kit.BF16 = c.comes
			}
			return kit, err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.digest(); err != nil || got != c.want {
			t.Errorf("%s that comes to %s: digest %s, %v, want %s", c.ask, c.comes, got, err, c.want)
		}
	}
}
