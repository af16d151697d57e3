package offline

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/words"
)

// run is what one model said to all test questions, with one seed.
type run struct {
	seed    int64
	answers []listed
	seconds float64
}

// lab makes the runs.
type lab struct {
	o     Options
	log   *slog.Logger
	split *Split
	items int      // numbers, 0 included
	names []string // titles by number
	kit   *Kit

	synthetic bool                 // the log has no times
	vectors   []float32            // of titles by number, one after the other; nil without a language model
	judged    map[string][]float64 // NDCG@10 on the watched validation questions, by model that is a network alone and seed

	counts *sources     // of the training part
	both   *sources     // of the training and the validation part
	words  *words.Table // nil where no item has a title
	titles *titles
	runs   map[string][]*run
	notes  []string
}

// fixed makes the runs that no seed changes.
func (l *lab) fixed(ctx context.Context) error {
	l.counts = newSources(l.split.Train, l.items)
	l.both = newSources(l.split.withValid(), l.items)
	if w := words.Build(l.names); w.Titled() > 0 {
		l.words = w
	}
	if l.kit != nil && l.kit.Encode != nil {
		if err := l.encode(ctx); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name   string
		column int
		counts *sources
		of     string
	}{
		{evaluation.Popularity, colPopular, l.counts, evaluation.Popularity}, {evaluation.Transitions, colFollows, l.counts, evaluation.Transitions},
		{TransitionsValid, colFollows, l.both, evaluation.Transitions}, {evaluation.Text, colTitleBest, l.counts, evaluation.Text},
	} {
		if l.o.wants(c.of) {
			l.keep(c.name, 0, func() []listed { return l.plain(c.counts, c.column) })
		}
	}
	return ctx.Err()
}

// encode makes the vectors of the titles.
func (l *lab) encode(ctx context.Context) error {
	var texts []string
	var rows []int
	for i, t := range l.names {
		if t != "" {
			texts, rows = append(texts, t), append(rows, i)
		}
	}
	if len(texts) == 0 {
		return fmt.Errorf("no item has a title for model %s to read", l.o.Model)
	}
	start := time.Now()
	vectors, err := l.kit.Encode(ctx, texts)
	if err != nil {
		return fmt.Errorf("vectors of %d titles: %w", len(texts), err)
	}
	dim := len(vectors[0])
	flat := make([]float32, l.items*dim)
	for i, v := range vectors {
		copy(flat[rows[i]*dim:], v)
	}
	l.titles, l.vectors = newTitles(flat, l.items, dim), flat
	l.log.Info("titles compared", "titles", len(texts), "seconds", math.Round(time.Since(start).Seconds()))
	return nil
}

// seeded makes the runs of one seed.
func (l *lab) seeded(ctx context.Context, seed int64) error {
	var alone *trained
	if l.o.wants(evaluation.Sequence) || l.o.wants(evaluation.Ranker) {
		for _, v := range l.chosen() {
			t, err := l.oneNetwork(ctx, v, seed)
			if err != nil {
				return fmt.Errorf("%s of seed %d: %w", v.called(evaluation.Sequence), seed, err)
			}
			if v.name == "" {
				alone = t
			}
		}
	}
	if l.o.wants(evaluation.SFT) || l.o.wants(evaluation.SOFT) {
		engine, err := l.kit.Engine(l.o.Network.Train)
		if err != nil {
			return err
		}
		defer engine.Close()
		return l.distilled(ctx, engine, l.softEpochs(alone), seed)
	}
	return ctx.Err()
}

// oneNetwork trains a network and makes the runs of the models that hold it.
func (l *lab) oneNetwork(ctx context.Context, v variant, seed int64) (*trained, error) {
	engine, err := l.kit.Engine(v.apply(l.o.Network).Train)
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	t, err := l.fit(ctx, engine, v, uint64(seed))
	if err != nil {
		return nil, err
	}
	name := v.called(evaluation.Sequence)
	l.note(t, name, seed)
	l.judged[name] = append(l.judged[name], t.ndcg)
	if l.o.wants(evaluation.Sequence) {
		l.keep(name, seed, func() (out []listed) { out, err = l.alone(ctx, t, v); return out })
		l.last(name).seconds += t.seconds
	}
	if err == nil && l.o.wants(evaluation.Ranker) && t.weights != nil {
		err = l.blended(t, v, seed)
	}
	t.learner = nil // its engine closes
	return t, err
}

func (l *lab) last(name string) *run { return l.runs[name][len(l.runs[name])-1] }

func (l *lab) note(t *trained, name string, seed int64) {
	text := fmt.Sprintf("seed %d: %s made %d epochs in %.0f s, epoch %d is kept (HR@10 %.4f, NDCG@10 %.4f on the watched validation questions)", seed, name, t.epochs, t.seconds, t.best, t.hr, t.ndcg)
	if t.cut {
		text += "; its time was up before it stopped getting better"
	}
	l.notes = append(l.notes, text)
}

// sample takes n questions spread evenly, all where there are no more or n is 0.
func sample(qs []Question, n int) []Question {
	if n == 0 || len(qs) <= n {
		return qs
	}
	out := make([]Question, n)
	for i := range out {
		out[i] = qs[i*len(qs)/n]
	}
	return out
}

// trainData is the training part with the validation questions, as package soft judges on them.
func (l *lab) trainData(seed uint64) seqtrain.Data {
	d := seqtrain.Data{Train: examples(l.split.Train, l.o.Network.Shape.MaxLen, variant{}, seed)}
	for _, q := range sample(l.split.Valid, l.o.Watch) {
		d.Validation = append(d.Validation, seqtrain.Case{History: q.History, Targets: q.Targets})
	}
	return d
}

// fewSoftEpochs is how long SOFT's teacher and student train where no network says what they need.
const fewSoftEpochs = 6

// softEpochs is how long SOFT's teacher and its student train: as many epochs as the network alone needed, fewer where both would not fit
// into the time.
func (l *lab) softEpochs(alone *trained) int {
	switch {
	case l.o.SoftEpochs > 0:
		return l.o.SoftEpochs
	case alone == nil:
		return fewSoftEpochs
	}
	fits := int(l.o.Minutes * 60 / 2 / (alone.seconds / float64(alone.epochs)))
	return max(1, min(alone.best, fits))
}
