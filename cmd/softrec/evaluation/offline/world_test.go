package offline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/seqtrain"
)

// write puts a log and a catalogue into a folder and names both.
func write(t *testing.T, log, items string) (string, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"log.tsv": log, "items.tsv": items} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "log.tsv"), filepath.Join(dir, "items.tsv")
}

func open(t *testing.T, log, items string) *Log {
	t.Helper()
	l, err := Open(write(t, log, items))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func cut(t *testing.T, log, items string) *Split {
	t.Helper()
	s, err := Cut(open(t, log, items))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const catalogueOf = 60

// world is a log of users who walk along a ring of items, mostly one step forward: transitions know it well. last, where not nil,
// says what the last item of a user is.
func world(users int, seed uint64, last func(user int, had []int) int) (log, items string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	b.WriteString("user\titem\tpos\n")
	for u := range users {
		at := rng.IntN(catalogueOf)
		var had []int
		n := 6 + rng.IntN(10)
		for p := range n {
			item := at
			if p == n-1 && last != nil {
				item = last(u, had)
			}
			fmt.Fprintf(&b, "u%d\ti%d\t%d\n", u, item, p)
			had = append(had, item)
			if at = (at + 1) % catalogueOf; rng.IntN(5) == 0 {
				at = (at + 1 + rng.IntN(3)) % catalogueOf
			}
		}
	}
	var c strings.Builder
	c.WriteString("item\ttitle\n")
	for i := range catalogueOf {
		fmt.Fprintf(&c, "i%d\tthing %d\n", i, i)
	}
	return b.String(), c.String()
}

// sequences draws sequences with baskets over n items.
func sequences(rng *rand.Rand, users, n int) []Sequence {
	out := make([]Sequence, users)
	for u := range out {
		basket := 0
		for i, item := range rng.Perm(n - 1)[:1+rng.IntN(n-1)] {
			if i > 0 && rng.IntN(3) > 0 {
				basket++
			}
			out[u].Items, out[u].Baskets, out[u].At = append(out[u].Items, int32(item+1)), append(out[u].Baskets, basket), append(out[u].At, int64(basket))
		}
	}
	return out
}

// goKit opens the pure-Go backend.
func goKit(context.Context, Options) (*Kit, error) {
	be, info, err := backend.Open(backend.Config{Plugin: backend.None, Sequential: true, Parallelism: 32}, nil)
	if err != nil {
		return nil, err
	}
	return &Kit{
		Backend: info.Name, Close: func() error { be.Finalize(); return nil },
		Engine: func(c seqtrain.Config) (*seqtrain.Engine, error) { return seqtrain.NewEngine(be, c) },
		Encode: func(_ context.Context, texts []string) ([][]float32, error) { // a title's number as a direction
			out := make([][]float32, len(texts))
			for i := range texts {
				out[i] = make([]float32, 8)
				out[i][i%8] = 1
			}
			return out, nil
		},
	}, nil
}
