package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/schema"
)

// Build makes fresh contenders, the same ones at every call. Only it may differ between two audits of one log.
type Build func(ctx context.Context, log *Log) ([]rival.Contender, error)

// Cuts is at how many places an audit changes the future.
const Cuts = 2

// Audit plays the first lines of a log with fresh contenders, and then again Cuts times with another future from some basket
// on: the contents of that basket are others and everything behind it is shuffled. All answers up to and including the one
// for that basket must be the same to the last bit; the first that is not is a *LeakError. It finds whoever peeks at the
// basket it is asked about, at the baskets behind it, or at anything made from the whole log.
func Audit(ctx context.Context, log *Log, lines int, filter bool, warmup float64, seed uint64, build Build) error {
	log = head(log, lines)
	if len(log.Baskets) < 2 {
		return nil
	}
	warm := int(warmup * float64(log.Lines))
	names, before, err := answers(ctx, log, filter, warm, build)
	if err != nil {
		return err
	}
	for cut := range Cuts {
		at := len(log.Baskets) * (cut + 1) / (Cuts + 1)
		_, after, err := answers(ctx, changed(log, at, seed+uint64(cut)), filter, warm, build)
		if err != nil {
			return err
		}
		for i := range at + 1 {
			for c, name := range names {
				if before[i*len(names)+c] != after[i*len(names)+c] {
					return &LeakError{Contender: name, Question: i, Reason: fmt.Sprintf("another future from basket %d on changes the answer", at)}
				}
			}
		}
	}
	return nil
}

// head is the log up to the basket in which the given line lies.
func head(log *Log, lines int) *Log {
	out := *log
	out.Lines = 0
	for i := range log.Baskets {
		if out.Lines >= lines {
			out.Baskets = log.Baskets[:i]
			break
		}
		out.Lines += len(log.Baskets[i].Lines)
	}
	return &out
}

// changed is a log with the same baskets before at; that one keeps its user and its time. From it on users and items change
// places, and every seventh line is of an item that the log never showed. Numbers are given anew, in order.
func changed(log *Log, at int, seed uint64) *Log {
	rng := rand.New(rand.NewPCG(seed, uint64(at)))
	f := &file{baskets: []string{""}, synthetic: log.Synthetic}
	users, items, baskets := interned{}, interned{}, interned{"": 0}
	catalogue := map[string]schema.Item{}
	var ids, owners []string
	for i := range log.Baskets {
		for _, it := range log.Baskets[i].New {
			catalogue[it.ID] = it
		}
		if i < at {
			continue
		}
		owners = append(owners, log.Baskets[i].UserID)
		for _, l := range log.Baskets[i].Lines {
			ids = append(ids, l.ID)
		}
	}
	rng.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	rng.Shuffle(len(owners)-1, func(a, b int) { owners[a+1], owners[b+1] = owners[b+1], owners[a+1] })
	for i := range log.Baskets {
		b := &log.Baskets[i]
		user := b.UserID
		if i >= at {
			user = owners[i-at]
		}
		for n, l := range b.Lines {
			id := l.ID
			if i >= at {
				if id, ids = ids[0], ids[1:]; n%7 == 0 {
					id = fmt.Sprintf("%s-elsewhere-%d", id, i)
				}
			}
			f.records = append(f.records, record{
				user: users.number(user, &f.users), item: items.number(id, &f.items), basket: baskets.number(fmt.Sprint(i), &f.baskets),
				source: l.Source, at: b.At.UnixMilli(), value: l.Value, typ: l.Type,
			})
		}
	}
	out := arrange(f, catalogue, 0)
	for i := range out.Baskets {
		out.Baskets[i].ID = log.Baskets[i].ID
	}
	return out
}

// answers plays a log, of which the first warm lines are the warm-up, and returns a digest of every answer, by basket and contender.
func answers(ctx context.Context, log *Log, filter bool, warm int, build Build) (names []string, digests []uint64, err error) {
	contenders, err := build(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range contenders {
		names = append(names, c.Name())
	}
	p := &pass{log: log, contenders: contenders, filter: filter, warm: warm, progress: noProgress{}}
	p.watch = func(_ rival.Question, _ int, a rival.Answer) {
		digests = append(digests, digest(a, len(p.memory.events)))
	}
	return names, digests, errors.Join(p.run(ctx), rival.Close(contenders))
}

// probes is how many items an answer is asked the rank of.
const probes = 32

// digest says in one number what is listed and where items of the catalogue stand.
func digest(a rival.Answer, catalogue int) uint64 {
	h := fnv.New64a()
	var b []byte
	b = binary.AppendVarint(b, int64(len(a.Top)))
	for _, item := range a.Top {
		b = binary.AppendVarint(b, int64(item))
	}
	for item := 0; item < catalogue; item += 1 + catalogue/probes {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(a.Rank(int32(item))))
	}
	_, _ = h.Write(b) // a hash takes everything
	return h.Sum64()
}
