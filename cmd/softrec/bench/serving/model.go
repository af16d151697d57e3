package serving

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/model/words"
)

// mixerCases is how many users' last interactions the mixing model is fitted on.
const mixerCases = 400

// build makes the model of the shop: counts that have seen all of it, words of all titles, a network of the default shape and
// a mixing model of the default shape fitted on what some users took last. The network is not trained, which would take hours for a million items:
// its item vectors are drawn around one centre a topic, as training leaves them; its blocks are as they are drawn. An answer costs
// the same.
func (s shop) build(ctx context.Context, learn int) (*ranker.Bundle, error) {
	v := vocab.New()
	titles := []string{""}
	for i := range s.items {
		v.Add(itemID(i))
		titles = append(titles, title(i))
	}
	c, err := s.count(ctx, learn)
	if err != nil {
		return nil, err
	}
	net, err := s.network(v.Len())
	if err != nil {
		return nil, err
	}
	b, err := ranker.New(v, c, net, nil)
	if err == nil {
		b, err = b.WithWords(words.Build(titles))
	}
	if err != nil {
		return nil, err
	}
	m, err := s.mix(b)
	if err != nil {
		return nil, err
	}
	b, err = ranker.New(v, c, net, m)
	if err != nil {
		return nil, err
	}
	return b.WithWords(words.Build(titles))
}

// count teaches the counts the log, crowd by crowd and step by step.
func (s shop) count(ctx context.Context, learn int) (*counts.Counts, error) {
	c := counts.NewCounts(counts.DefaultConfig())
	left := s.users * steps
	for first := 0; first < s.users; first += crowd {
		n := min(crowd, s.users-first)
		items, times := make([][]int32, n), make([][]int64, n)
		for i := range n {
			own, at := s.life(first+i, nil, nil)
			for k, item := range own {
				items[i], times[i] = append(items[i], item+1), append(times[i], at[k].UnixMilli())
			}
		}
		for k := range steps {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			for i := range n {
				c.Update(counts.Observation{
					History: items[i][:k], Times: times[i][:k], User: counts.UserKey(userID(first + i)), Lean: left > learn,
					Item: items[i][k], Time: time.UnixMilli(times[i][k]),
				})
				left--
			}
		}
	}
	return c, nil
}

// network draws a network of the default shape for n rows of items.
func (s shop) network(n int) (*sequence.Weights, error) {
	cfg := sequence.DefaultConfig()
	w, err := sequence.NewWeights(cfg, n, s.seed)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(s.seed, 0x746f706963))
	centre := make([]float32, cfg.Dim)
	for i := 1; i < n; i++ {
		if (i-1)%topic == 0 {
			for j := range centre {
				centre[j] = float32(rng.NormFloat64()) * 0.3
			}
		}
		row := w.Items()[i*cfg.Dim : (i+1)*cfg.Dim]
		for j := range row {
			row[j] = centre[j] + float32(rng.NormFloat64())*0.15
		}
	}
	return w, nil
}

// mix fits the mixing model on the last interactions of some users.
func (s shop) mix(b *ranker.Bundle) (*mixer.Mixer, error) {
	questions := make([]ranker.Question, 0, mixerCases)
	for i := range min(mixerCases, s.users) {
		h := s.window(s.users - 1 - i)
		last := h[len(h)-1]
		questions = append(questions, ranker.Question{History: h[:len(h)-1], Now: last.Timestamp, Items: []string{last.ItemID}})
	}
	var cases []mixer.Case
	for part := range slices.Chunk(questions, 100) {
		cases = append(cases, b.CasesFor(part)...)
	}
	m, _, err := mixer.Fit(cases, mixer.DefaultConfig(), b.Mixer, s.seed)
	if err != nil {
		return nil, fmt.Errorf("fit the mixing model of the shop: %w", err)
	}
	return m, nil
}

// window is the user's window as it stands in Redis.
func (s shop) window(u int) []schema.Interaction {
	items, times := s.life(u, nil, nil)
	h := make([]schema.Interaction, len(items))
	for k, item := range items {
		h[k] = schema.Interaction{
			ItemID: itemID(int(item)), Type: schema.DefaultType, Timestamp: times[k], Offset: int64(k), EventID: fmt.Sprintf("%08x-%04x", u, k),
		}
	}
	return h
}
