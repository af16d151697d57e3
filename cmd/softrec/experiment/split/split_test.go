package split

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/logfile"
)

// readText reads a log written as text; the catalogue holds the items 0 to 39, most with a title.
func readText(t *testing.T, text string) *Log {
	t.Helper()
	in, err := logfile.NewInteractions("log", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var items strings.Builder
	items.WriteString("item\ttitle\n")
	for i := range 40 {
		title := fmt.Sprintf("thing %d", i)
		if i == 7 {
			title = ""
		}
		fmt.Fprintf(&items, "i%d\t%s\n", i, title)
	}
	it, err := logfile.NewItems("items", strings.NewReader(items.String()))
	if err != nil {
		t.Fatal(err)
	}
	log, err := Read(in, it)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// row is a line of a log.
type row struct {
	user, item, invoice string
	at                  int64
}

func text(rows []row) string {
	var b strings.Builder
	b.WriteString("user\titem\ttimestamp\tinvoice\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "%s\t%s\t%d\t%s\n", r.user, r.item, r.at, r.invoice)
	}
	return b.String()
}

// shop is a random log of baskets.
func shop(seed uint64, baskets int) (rows []row) {
	rng := rand.New(rand.NewPCG(seed, 1))
	at := int64(1_000_000)
	for b := range baskets {
		at += rng.Int64N(200)
		user := fmt.Sprintf("u%d", rng.IntN(12))
		for range 1 + rng.IntN(4) {
			rows = append(rows, row{user, fmt.Sprintf("i%d", rng.IntN(40)), fmt.Sprintf("b%d", b), at})
		}
	}
	return rows
}

func cut(t *testing.T, log *Log, filter string) *Split {
	t.Helper()
	s, err := Cut(log, filter)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCut_neverLooksAhead(t *testing.T) {
	log := readText(t, text(shop(1, 400)))
	s := cut(t, log, FilterOff)
	times := map[[2]int32][]time.Time{} // user and item -> when
	for _, b := range log.Baskets {
		for _, i := range b.Items {
			key := [2]int32{b.User, i}
			times[key] = append(times[key], b.At)
		}
	}
	for name, part := range map[string][]Question{"train": s.Train, "valid": s.Valid, "test": s.Test} {
		for _, q := range part {
			for _, p := range q.Past {
				if !slices.ContainsFunc(times[[2]int32{q.User, p}], func(at time.Time) bool { return at.Before(q.At) }) {
					t.Fatalf("%s: user %d at %v knows item %d, which came at %v", name, q.User, q.At, p, times[[2]int32{q.User, p}])
				}
			}
			after := !q.At.Before(s.ValidFrom)
			if name == "train" && after || name != "train" && !after || (name == "test") != !q.At.Before(s.TestFrom) {
				t.Fatalf("%s holds a basket of %v", name, q.At)
			}
		}
	}
	if n := len(Lines(s.Train)); n < len(s.Train) {
		t.Errorf("%d lines of %d baskets", n, len(s.Train))
	}
}

// Lines of one invoice are no history of one another, also when the till took a minute longer or the lines are shuffled.
func TestCut_basketsDoNotLeak(t *testing.T) {
	rows := shop(2, 300)
	for i := range rows {
		if i > 0 && rows[i].invoice == rows[i-1].invoice {
			rows[i].at += 30
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return int(a.at - b.at) })
	log := readText(t, text(rows))
	for _, b := range log.Baskets {
		for i, item := range b.Items {
			if slices.Contains(b.Items[:i], item) {
				t.Fatalf("basket %v holds an item twice", b)
			}
		}
	}
	had := map[int32]int{}
	for _, q := range questions(log) {
		if len(q.Past) != had[q.User] {
			t.Fatalf("a basket of user %d sees %d items, %d were bought before it", q.User, len(q.Past), had[q.User])
		}
		had[q.User] += len(q.Targets)
	}
	if invoices := count(rows); len(log.Baskets) > invoices {
		t.Errorf("%d baskets of %d invoices", len(log.Baskets), invoices)
	}
}

// An invoice whose lines come one after the other is complete at the last of them: no past holds a line from the future, no part one of a later
// part, and nothing before the last line knows of the others.
func TestCut_spreadBasketsStandAtTheirEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	rows := shop(6, 400)
	for i := range rows {
		rows[i].item = fmt.Sprint("x", i) // an item tells its line
		if rng.IntN(3) == 0 {
			rows[i].at += rng.Int64N(5000)
		}
	}
	line, end, begin := map[string]row{}, map[string]int64{}, map[string]int64{}
	for _, r := range rows {
		line[r.item], end[r.invoice] = r, max(end[r.invoice], r.at)
		if at, ok := begin[r.invoice]; !ok || r.at < at {
			begin[r.invoice] = r.at
		}
	}
	spread := 0
	for invoice := range end {
		if begin[invoice] < end[invoice] {
			spread++
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return int(a.at - b.at) })
	log := readText(t, text(rows))
	if log.Spread != spread || spread < 50 {
		t.Errorf("%d baskets of several times, want %d", log.Spread, spread)
	}
	s := cut(t, log, FilterOff)
	for name, part := range map[string][]Question{"train": s.Train, "valid": s.Valid, "test": s.Test} {
		for _, q := range part {
			for _, i := range q.Past {
				if r := line[log.Items[i]]; r.at >= q.At.Unix() || end[r.invoice] >= q.At.Unix() {
					t.Fatalf("%s: at %d a line of %d of a basket that ends at %d is known", name, q.At.Unix(), r.at, end[r.invoice])
				}
			}
			for _, i := range q.Targets {
				if r := line[log.Items[i]]; end[r.invoice] != q.At.Unix() || name == "train" && r.at >= s.ValidFrom.Unix() {
					t.Fatalf("%s: a basket that ends at %d is asked for at %d", name, end[r.invoice], q.At.Unix())
				}
			}
		}
	}
}

// Where the till takes a minute longer now and then, and nobody is at it twice in that time, nothing changes but the time at which a basket is known:
// runs of before are runs of now.
func TestCut_aMinuteMoreAsksTheSame(t *testing.T) {
	rows := shop(7, 400)
	for i := range rows {
		rows[i].at *= 2
	}
	short := cut(t, readText(t, text(rows)), FilterOff)
	last := len(rows) - 1
	for i := range rows {
		if i < last && i%7 == 0 && rows[i].invoice != rows[i+1].invoice && i > 0 && rows[i].invoice == rows[i-1].invoice {
			rows[i].at += 100
		}
	}
	log := readText(t, text(rows))
	long := cut(t, log, FilterOff)
	if log.Spread == 0 {
		t.Fatal("no basket is spread")
	}
	was, err := json.Marshal([][]Question{short.Train, short.Valid, short.Test})
	if err != nil {
		t.Fatal(err)
	}
	is, err := json.Marshal([][]Question{long.Train, long.Valid, long.Test})
	if err != nil {
		t.Fatal(err)
	}
	if string(was) != string(is) {
		t.Error("other questions, or another order")
	}
}

func count(rows []row) int {
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.invoice] = true
	}
	return len(seen)
}

// What people take after a moment changes nothing about questions before it.
func TestCut_permutedFutureChangesNothingBefore(t *testing.T) {
	rows := shop(3, 400)
	want := cut(t, readText(t, text(rows)), FilterAuto)
	from := slices.IndexFunc(rows, func(r row) bool { return r.at >= want.TestFrom.Unix() })
	rng := rand.New(rand.NewPCG(9, 9))
	for i := len(rows) - 1; i > from; i-- {
		j := from + rng.IntN(i-from+1)
		rows[i].item, rows[j].item = rows[j].item, rows[i].item
	}
	got := cut(t, readText(t, text(rows)), FilterAuto)
	if !reflect.DeepEqual(got.Train, want.Train) || !reflect.DeepEqual(got.Valid, want.Valid) {
		t.Error("training or validation changed with the test part")
	}
	if got.FilterSeen != want.FilterSeen || !got.TestFrom.Equal(want.TestFrom) {
		t.Error("a choice changed with the test part")
	}
	for i, q := range got.Test[:1] { // the first question of the test part has the same past
		if !slices.Equal(q.Past, want.Test[i].Past) {
			t.Error("the past of the first test question changed")
		}
	}
}

func TestCut_withoutClock(t *testing.T) {
	log := readText(t, "user\titem\tpos\na\ti1\t0\na\ti2\t1\na\ti3\t2\na\ti4\t3\nb\ti1\t0\nb\ti5\t1\nc\ti9\t2\nc\ti8\t1\nc\ti6\t0\n")
	s := cut(t, log, FilterAuto)
	if s.Kind != LastItem || !s.FilterSeen || log.Clock {
		t.Errorf("%s, filter %v", s.Kind, s.FilterSeen)
	}
	show := func(qs []Question) (out []string) {
		for _, q := range qs {
			out = append(out, fmt.Sprintf("%s %v %v", log.Users[q.User], q.Past, q.Targets))
		}
		return out
	}
	for name, c := range map[string]struct{ got, want []string }{
		"train": {show(s.Train), []string{"a [1] [2]", "b [1] [5]"}},
		"valid": {show(s.Valid), []string{"a [1 2] [3]", "c [6] [8]"}},
		"test":  {show(s.Test), []string{"a [1 2 3] [4]", "c [6 8] [9]"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	if log.Titles[7] != "i7" || log.Untitled != 1 {
		t.Errorf("an item without a title is called %q, %d untitled", log.Titles[7], log.Untitled)
	}
}

func TestCut_filterDropsRepeats(t *testing.T) {
	log := readText(t, text(shop(4, 400)))
	if s := cut(t, log, FilterAuto); s.FilterSeen || s.Repeats == 0 {
		t.Errorf("filter %v with %d repeats", s.FilterSeen, s.Repeats)
	}
	s := cut(t, log, FilterOn)
	for _, q := range slices.Concat(s.Train, s.Valid, s.Test) {
		for _, target := range q.Targets {
			if slices.Contains(q.Past, target) {
				t.Fatal("a filtered part asks for what the user had")
			}
		}
	}
}

func TestSample(t *testing.T) {
	qs := cut(t, readText(t, text(shop(5, 400))), FilterOff).Train
	a, b := Sample(qs, 50, 1), Sample(qs, 50, 1)
	if len(a) != 50 || !reflect.DeepEqual(a, b) {
		t.Errorf("%d drawn, repeatable %v", len(a), reflect.DeepEqual(a, b))
	}
	if reflect.DeepEqual(a, Sample(qs, 50, 2)) {
		t.Error("another seed drew the same")
	}
	if !slices.IsSortedFunc(a, func(x, y Question) int { return x.At.Compare(y.At) }) {
		t.Error("a sample lost its order")
	}
	if len(Sample(qs, 0, 1)) != len(qs) {
		t.Error("0 does not keep all")
	}
	if h := (Question{Past: []int32{1, 2, 3}}).History(2); !slices.Equal(h, []int32{2, 3}) {
		t.Errorf("history %v", h)
	}
}
