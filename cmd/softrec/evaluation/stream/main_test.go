package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a log of baskets, some of one minute, in which users like items near their own number.
func lines(seed uint64, baskets int) []string {
	rng := rand.New(rand.NewPCG(seed, 2))
	var out []string
	at := 1_300_000_000
	for b := range baskets {
		at += rng.IntN(3) * 1800
		user := rng.IntN(30)
		for range 1 + rng.IntN(4) {
			out = append(out, fmt.Sprintf("u%d\ti%d\t%d\tb%d", user, (user+rng.IntN(8)*rng.IntN(8))%50, at, b))
		}
	}
	return out
}

func write(t *testing.T, name, head string, rows []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(head+"\n"+strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const header = "user\titem\ttimestamp\tbill"

func readLines(t *testing.T, rows []string) *Log {
	t.Helper()
	log, err := ReadLog(write(t, "log.tsv", header, rows), "", "bill", 0)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// echo is a rehearsal for tests: it recommends what came last, the user's own first.
type echo struct {
	own    map[string][]string
	recent []string
	frozen bool
}

func newEcho(context.Context, rival.RunConfig) (rival.Rehearser, error) {
	return &echo{own: map[string][]string{}}, nil
}

// seeded is an echo that knows its seed.
type seeded struct {
	*echo
	seed int64
}

func (s seeded) Seed() int64 { return s.seed }

// newSeeded is newEcho where trainer.seed is 7.
func newSeeded(_ context.Context, c rival.RunConfig) (rival.Rehearser, error) {
	return seeded{&echo{own: map[string][]string{}}, 6 + c.Seed}, nil
}

func (e *echo) Ask(a rival.Ask) []ranker.Scored {
	var out []ranker.Scored
	sources := [][]string{e.own[a.User], e.recent}
	if a.NetworkOnly {
		sources = sources[1:]
	}
	for _, source := range sources {
		for _, id := range slices.Backward(source) {
			if len(out) < a.N && (a.Allow == nil || a.Allow(id)) && !slices.ContainsFunc(out, func(s ranker.Scored) bool { return s.Item == id }) {
				out = append(out, ranker.Scored{Item: id})
			}
		}
	}
	return out
}

func (e *echo) Learn(_ context.Context, basket []schema.Event) error {
	for _, ev := range basket {
		if !e.frozen {
			e.recent = append(e.recent, ev.ItemID)
		}
		e.own[ev.UserID] = append(e.own[ev.UserID], ev.ItemID)
	}
	return nil
}

func (e *echo) Freeze() { e.frozen = true }

// everyone builds all contenders, the learned ones on echo.
func everyone(ctx context.Context, _ *Log) ([]rival.Contender, error) {
	simple, err := rival.Simple(rival.SimpleNames()...)
	if err != nil {
		return nil, err
	}
	learned, err := rival.Learned(ctx, newEcho, 1, rival.LearnedNames())
	return append(simple, learned...), err
}

// Two logs that share their first lines get the same answers up to the first basket that differs, that one included.
func TestAnswers_doNotDependOnTheFuture(t *testing.T) {
	for _, filter := range []bool{false, true} {
		past := lines(1, 200)
		futures := [][]string{lines(2, 150), lines(3, 60)}
		var digests [][]uint64
		var names []string
		cut := len(readLines(t, past).Baskets)
		for _, future := range futures {
			rows := slices.Clone(past)
			for _, row := range future {
				f := strings.Split(row, "\t")
				rows = append(rows, fmt.Sprintf("u0%s\tnew-%s\t%d\tlater-%s", f[0], f[1], 1_400_000_000, f[3]))
			}
			var d []uint64
			var err error
			if names, d, err = answers(t.Context(), readLines(t, rows), filter, 100, everyone); err != nil {
				t.Fatal(err)
			}
			digests = append(digests, d)
		}
		if n := cut * len(names); !slices.Equal(digests[0][:n], digests[1][:n]) {
			t.Errorf("filter %v: the future changed the past", filter)
		}
		if err := Audit(t.Context(), readLines(t, lines(1, 200)), 1000, filter, 0.2, 1, everyone); err != nil {
			t.Errorf("filter %v: honest models fail: %v", filter, err)
		}
	}
}

// peek knows the log it is asked about: it looks ahead by some baskets.
type peek struct {
	rival.Contender
	log   *Log
	ahead int
}

func (p *peek) Answer(q rival.Question) (rival.Answer, error) {
	if err := p.Contender.Learn(context.Background(), &p.log.Baskets[min(q.Number+p.ahead, len(p.log.Baskets)-1)]); err != nil {
		return rival.Answer{}, err
	}
	a, err := p.Contender.Answer(q)
	known := int32(0) // it is careful not to show that it knows more items than the log has shown
	for _, b := range p.log.Baskets[:q.Number] {
		for _, l := range b.Lines {
			known = max(known, l.Item+1)
		}
	}
	return rival.Listed(slices.DeleteFunc(a.Top, func(item int32) bool { return item >= known })), err
}

// hindsight orders equal items by how often the whole log has them.
type hindsight struct {
	rival.Contender
	total map[string]int
	ids   []string
}

func (h *hindsight) Learn(ctx context.Context, b *rival.Basket) error {
	for _, l := range b.Lines {
		if !slices.Contains(h.ids, l.ID) {
			h.ids = append(h.ids, l.ID)
		}
	}
	return h.Contender.Learn(ctx, b)
}

func (h *hindsight) Answer(rival.Question) (rival.Answer, error) {
	list := make([]int32, 0, len(h.ids))
	for i := range h.ids {
		list = append(list, int32(i))
	}
	slices.SortStableFunc(list, func(a, b int32) int { return h.total[h.ids[b]] - h.total[h.ids[a]] })
	return rival.Listed(list[:min(10, len(list))]), nil
}

func TestAudit_findsPlantedLeaks(t *testing.T) {
	log := readLines(t, lines(4, 300))
	leaks := map[string]func(*Log) rival.Contender{
		"learns before it answers": func(l *Log) rival.Contender { return &peek{rival.NewTransitions(), l, 0} },
		"knows the next basket":    func(l *Log) rival.Contender { return &peek{rival.NewRepeats(), l, 1} },
		"knows what comes later":   func(l *Log) rival.Contender { return &peek{rival.NewDecayedPopularity(), l, 40} },
		"was made from the whole log": func(l *Log) rival.Contender {
			total := map[string]int{}
			for _, b := range l.Baskets {
				for _, line := range b.Lines {
					total[line.ID]++
				}
			}
			return &hindsight{Contender: rival.NewPopularity(), total: total}
		},
	}
	for name, plant := range leaks {
		build := func(_ context.Context, l *Log) ([]rival.Contender, error) { return []rival.Contender{plant(l)}, nil }
		err := Audit(t.Context(), log, 1000, false, 0.2, 1, build)
		if leak := new(*LeakError); !errors.As(err, leak) || !strings.Contains((*leak).Reason, "another future") {
			t.Errorf("a model that %s passes: %v", name, err)
		}
	}
}

// early lists and ranks items that the log has not shown.
type early struct{ rival.Contender }

func (early) Answer(rival.Question) (rival.Answer, error) { return rival.Listed([]int32{7}), nil }

func TestPass_refusesItemsOfTheFuture(t *testing.T) {
	p := &pass{log: readLines(t, lines(1, 5)), contenders: []rival.Contender{early{rival.NewPopularity()}}, progress: noProgress{}}
	err := p.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "leak: contender popularity, question 0: lists item 7, which the log has not shown yet") {
		t.Errorf("got %v", err)
	}
}

// Shuffled targets: whatever a model knows of a log whose items change places at random is popularity. None may do better
// than an unfair chance over it; a model that peeks does.
func TestPass_nothingIsLearntFromChance(t *testing.T) {
	rows := lines(5, 1500)
	rng := rand.New(rand.NewPCG(9, 9))
	rng.Shuffle(len(rows), func(a, b int) {
		x, y := strings.Split(rows[a], "\t"), strings.Split(rows[b], "\t")
		x[1], y[1] = y[1], x[1]
		rows[a], rows[b] = strings.Join(x, "\t"), strings.Join(y, "\t")
	})
	log := readLines(t, rows)
	contenders, err := everyone(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	contenders = append(contenders, &peek{rival.NewDecayedPopularity(), log, 0}, &peek{rival.NewRepeats(), log, 0})
	p := &pass{log: log, contenders: contenders, warm: log.Lines / 5, progress: noProgress{}}
	if err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	chance := evaluation.Score(p.judges[0].ranks, nil).HR10 // popularity is all there is to know
	for i, c := range contenders {
		got := evaluation.Score(p.judges[i].ranks, nil).HR10
		if honest := i < len(contenders)-1; honest && got > chance+0.03 {
			t.Errorf("%s: HR@10 %.3f where chance gives %.3f", c.Name(), got, chance)
		} else if !honest && got < chance+0.1 {
			t.Errorf("the planted leak stays at %.3f where chance gives %.3f", got, chance)
		}
	}
}

func TestReadLog_ordersByTimeBasketAndLine(t *testing.T) {
	rows := []string{"a\tx\t200\tb2", "b\ty\t100\tb1", "a\tz\t300\tb2", "a\tx\t300\tb3", "b\tx\t100\tb1", "c\tx\t300\t", "c\ty\t300\t"}
	show := func(log *Log) string {
		var out []string
		for _, b := range log.Baskets {
			s := fmt.Sprintf("%d %s%d:", b.At.Unix(), b.UserID, b.User)
			for _, l := range b.Lines {
				s += fmt.Sprintf(" %s%d", l.ID, l.Item)
			}
			out = append(out, s)
		}
		return strings.Join(out, "; ")
	}
	path := write(t, "log.tsv", header, rows)
	for _, c := range []struct {
		basket string
		limit  int
		spread int
		want   string
	}{
		{"bill", 0, 1, "100 b0: y0 x1; 300 a1: x1 z2; 300 a1: x1; 300 c2: x1 y0"}, // b2 is complete at 300 only
		{"", 0, 0, "100 b0: y0 x1; 200 a1: x1; 300 a1: z2 x1; 300 c2: x1 y0"},
		{"", 4, 0, "100 b0: y0 x1; 200 a1: x1; 300 a1: z2"},
	} {
		log, err := ReadLog(path, "", c.basket, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(log); got != c.want || log.Spread != c.spread {
			t.Errorf("--basket %q --limit %d:\n got %s (%d spread)\nwant %s", c.basket, c.limit, got, log.Spread, c.want)
		}
	}
	log, err := ReadLog(write(t, "pos.tsv", "user\titem\tpos", []string{"a\tx\t0", "a\ty\t1", "b\tx\t0", "b\tz\t1"}), write(t, "items.tsv", "item\ttitle", []string{"z\tLast", "x\tFirst"}), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := show(log); got != "946684800 a0: x0; 946684800 b1: x0; 946684801 a0: y1; 946684801 b1: z2" || !log.Synthetic {
		t.Errorf("by pos: %s", got)
	}
	var told []string
	for _, b := range log.Baskets {
		for _, it := range b.New {
			told = append(told, fmt.Sprint(b.Number, it.Title))
		}
	}
	if want := []string{"0First", "3Last"}; !slices.Equal(told, want) {
		t.Errorf("titles came as %v, want %v: with the first basket of their item", told, want)
	}
}
