package trainer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// fair returns the model to beat and what both can be asked, which is what neither has learnt from. The first answers
// may have counted the whole cut; they are counts alone, so they are made again without its held-out part. Any other
// model that has learnt from the cut comes from an earlier life of this trainer, whose checkpoint is gone: where it has
// learnt everything, nothing is left to ask, and it stays live.
func (r *rounds) fair(w *work, live *liveModel, gate []segment) (*liveModel, []segment, error) {
	asked := live.unlearnt(gate)
	if live == nil || live.Round > 0 || countFresh(asked) == countFresh(gate) {
		return live, asked, nil
	}
	again, err := r.bundle(w.items, w.counts, Network{}, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("build the first answers again: %w", err)
	}
	return &liveModel{Version: live.Version, Bundle: again}, gate, nil
}

// verdict is what the gate found.
type verdict struct {
	decision
	live, candidate schema.Scores
}

func (v verdict) verdict() string {
	if v.Promote {
		return schema.VerdictPromoted
	}
	return schema.VerdictRefused
}

// gate makes the candidate around a network and compares it with the live model on what neither has seen.
func (r *rounds) gate(ctx context.Context, w *work, live *liveModel, network Network, c claim) (*ranker.Bundle, verdict, error) {
	candidate, err := r.candidate(ctx, w, network)
	if err != nil {
		return nil, verdict{}, err
	}
	v, err := r.compare(ctx, w, live, candidate, c)
	return candidate, v, err
}

// compare judges a candidate. The first model has nothing to beat, and need not be broken either.
func (r *rounds) compare(ctx context.Context, w *work, live *liveModel, candidate *ranker.Bundle, c claim) (verdict, error) {
	got, err := judge(ctx, candidate, w.gate, w.reader)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{candidate: tallyOf(got.ranks)}
	if live == nil {
		why := guard(r.cfg, nil, &got.lists)
		v.decision = decision{Promote: why == "", Reason: says(why == "", "the first model", why)}
		return v, nil
	}
	had, err := judge(ctx, live.Bundle, w.gate, w.reader)
	if err != nil {
		return verdict{}, err
	}
	v.live = tallyOf(had.ranks)
	v.decision = decide(r.cfg, c, perLine(w.gate, w.askers), had, got)
	return v, nil
}

// release publishes a candidate that passed, with the held-out interactions counted in.
func (r *rounds) release(ctx context.Context, w *work, candidate *ranker.Bundle, learner string, v verdict, out *outcome) error {
	final, err := r.bundle(w.items, w.full, networkOf(candidate), candidate.Mixer)
	if err != nil {
		return fmt.Errorf("build bundle: %w", err)
	}
	live, err := r.publish(ctx, final, r.manifest(w, learner, v, out.Live))
	if err != nil {
		return &publishError{err}
	}
	out.Live = live
	return nil
}

// candidate is the bundle the gate judges: it has not seen the gate's interactions in any part.
func (r *rounds) candidate(ctx context.Context, w *work, network Network) (*ranker.Bundle, error) {
	b, err := r.bundle(w.items, w.counts, network, w.mixing.Mixer())
	if err != nil {
		return nil, fmt.Errorf("build candidate: %w", err)
	}
	mixing := w.mixing.Clone()
	for _, c := range w.reader.cases(ctx, b, w.fit) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w.learnt(mixing.Learn(c))
	}
	return r.bundle(w.items, w.counts, network, mixing.Mixer())
}

// bundle puts a model together: one that reads the language model's text where there is one.
func (r *rounds) bundle(items named, c *counts.Counts, n Network, m *mixer.Mixer) (*ranker.Bundle, error) {
	var b *ranker.Bundle
	var err error
	if r.text == nil {
		b, err = ranker.New(items.Vocab, c, n.Sequence, m)
	} else {
		b, err = ranker.NewText(items.Vocab, c, n.Sequence, r.text.Model(), n.Adapter, m)
	}
	if err != nil {
		return nil, err
	}
	return b.WithWords(items.Words)
}

// networkOf is what was trained of a bundle.
func networkOf(b *ranker.Bundle) Network { return Network{Sequence: b.Sequence, Adapter: b.Adapter} }

// manifest describes a snapshot of the round.
func (r *rounds) manifest(w *work, learner string, v verdict, parent *liveModel) schema.Manifest {
	doc, err := json.Marshal(r.cfg)
	if err != nil { // plain numbers and text cannot fail to encode
		doc = nil
	}
	m := schema.Manifest{
		Schema: schema.ManifestSchema, Round: w.round, Learner: learner, CreatedAt: r.now().UTC(),
		Seed: w.seed, Backend: r.backend, Offsets: textOffsets(w.to), Config: doc,
		Metrics: map[string]float64{"hr10": v.candidate.HR10, "ndcg10": v.candidate.NDCG10,
			"live_hr10": v.live.HR10, "live_ndcg10": v.live.NDCG10, "held_out": float64(v.candidate.Count)},
	}
	if parent != nil {
		m.Parent = parent.Version
	}
	return m
}
