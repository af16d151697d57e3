package trainer

import (
	"context"
	"fmt"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// bootstrap publishes the first model from counts alone, so that there are personal answers before the first round. It
// consumes nothing: the cut's interactions are still to be learnt.
func (r *rounds) bootstrap(ctx context.Context, c cut) (outcome, error) {
	started := r.now()
	can := canonicalise(vocab.New(), c)
	n := counts.NewCounts(r.cfg.Counts)
	observe(n, can.Segs, r.rules.Len)
	b, err := r.bundle(r.named(can.Vocab), n, Network{}, nil)
	if err != nil {
		return outcome{}, fmt.Errorf("build first bundle: %w", err)
	}
	w := &work{from: c.From, to: c.To}
	live, err := r.publish(ctx, b, r.manifest(w, LearnerCounts, verdict{}, nil))
	if err != nil {
		return outcome{}, err
	}
	rec := w.record(started)
	rec.Learner, rec.Examples = LearnerCounts, countFresh(can.Segs)
	rec.Verdict, rec.Reason = schema.VerdictPromoted, "the first answers: counts alone, before the first round"
	rec.ModelVersion, rec.Seconds = live.Version, r.now().Sub(started).Seconds()
	return outcome{Record: rec, Live: live}, nil
}
