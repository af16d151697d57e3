package experiment

import (
	"fmt"
	"slices"

	"github.com/softrec/softrec/trainer/soft"
)

// untuned ranks with the base model.
func (l *lab) untuned(variant) (outcome, error) {
	b, err := l.bench(Flavour{LearningRate: l.o.rates()[0]}) // no rate matters to what is never trained
	if err != nil {
		return outcome{}, err
	}
	ranks, took, err := l.rank(b, nil)
	return outcome{ranks: ranks, ranked: took}, err
}

// rate chooses the learning rate by the validation of SFT on the first seed's data, once for all seeds and variants.
func (l *lab) rate() (float64, []Candidate, error) {
	rates := l.o.rates()
	if len(rates) == 1 {
		return rates[0], nil, nil
	}
	if l.rates != nil {
		return bestOf(l.rates), l.rates, nil
	}
	first := l
	if l.seed != 0 {
		first = l.runner.lab(l.ctx, 0)
	}
	for _, rate := range rates {
		f := Flavour{LearningRate: rate}
		t, err := first.fineTune(teacherName(f), f)
		if err != nil {
			return 0, nil, err
		}
		l.rates = append(l.rates, Candidate{Value: rate, Validation: t.Record.Student.Validation})
	}
	chosen := bestOf(l.rates)
	for f := range first.benches { // the others are not needed any more
		if f.LearningRate != chosen {
			delete(first.benches, f)
		}
	}
	l.log.Info("learning rate chosen on the validation part of seed 0", "rate", chosen, "tried", l.rates)
	if atEdge(chosen, l.rates) {
		l.log.Warn("the chosen learning rate is the least or the greatest of those tried: a better one may lie beyond; see --lr-grid", "rate", chosen)
	}
	return chosen, l.rates, nil
}

// atEdge reports that a value is the least or the greatest that was tried, and so perhaps not the best there is.
func atEdge(value float64, cs []Candidate) bool {
	values := tried(cs)
	return len(values) > 1 && (value == slices.Min(values) || value == slices.Max(values))
}

// bestOf is the value with the best validation, of equals the first.
func bestOf(cs []Candidate) float64 {
	best := cs[0]
	for _, c := range cs[1:] {
		if c.Validation > best.Validation {
			best = c
		}
	}
	return best.Value
}

func teacherName(f Flavour) string {
	name := fmt.Sprintf("%s-lr-%g", SFT, f.LearningRate)
	if f.Unmasked {
		name += "-unmasked"
	}
	if f.ItemAdapter {
		name += "-items"
	}
	return name
}

// fineTune is SFT over all epochs with its best state kept: it never makes fewer updates than a student.
func (l *lab) fineTune(name string, f Flavour) (*tuned, error) {
	return l.once(name, f.LearningRate, func() (*bench, soft.Record, error) {
		cfg := l.config()
		cfg.Patience = cfg.Epochs
		return l.train(f, cfg)
	})
}

func (l *lab) train(f Flavour, cfg soft.Config) (*bench, soft.Record, error) {
	b, err := l.bench(f)
	if err != nil {
		return nil, soft.Record{}, err
	}
	rec, err := soft.SFT(l.ctx, b, cfg, b.base, uint64(l.seed), l.watch()...)
	return b, rec, err
}

// sft is the fair one.
func (l *lab) sft(v variant) (outcome, error) {
	out, err := l.plain(v)
	if err == nil {
		_, out.choice, err = l.rate()
	}
	return out, err
}

// plain is SFT of a flavour.
func (l *lab) plain(v variant) (outcome, error) {
	f, err := l.flavour(v)
	if err != nil {
		return outcome{}, err
	}
	b, err := l.bench(f)
	if err != nil {
		return outcome{}, err
	}
	t, err := l.fineTune(teacherName(f), f)
	if err != nil {
		return outcome{}, err
	}
	return l.finish(b, t)
}

// sameCompute is SFT for the compute of this seed's SOFT, which is run first where it has not been.
func (l *lab) sameCompute(v variant) (outcome, error) {
	f, err := l.flavour(v)
	if err != nil {
		return outcome{}, err
	}
	run, err := l.softRun()
	if err != nil {
		return outcome{}, err
	}
	cfg := l.config().SameCompute(*run.Record)
	b, err := l.bench(f)
	if err != nil {
		return outcome{}, err
	}
	t, err := l.once(v.name, f.LearningRate, func() (*bench, soft.Record, error) { return l.train(f, cfg) })
	if err != nil {
		return outcome{}, err
	}
	return l.finish(b, t)
}

// softRun is this seed's run of soft, made now where it is not there: its figures are kept for when they are asked for.
func (l *lab) softRun() (*Run, error) {
	run, err := l.store.run(Soft, l.seed)
	if err == nil && run == nil {
		l.log.Info("soft runs first: its compute is what is matched", "variant", SameCompute, "seed", l.seed)
		if err = l.make(find(Soft)); err == nil {
			run, err = l.store.run(Soft, l.seed)
		}
	}
	if err == nil && (run == nil || run.Record == nil) {
		err = fmt.Errorf("%s has no training to match", Soft)
	}
	return run, err
}
