package offline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const noItems = "item\n"

func TestCut_lastItemsByPlace(t *testing.T) {
	s := cut(t, "user\titem\tpos\na\tx\t0\na\tz\t2\na\ty\t1\na\tw\t3\nb\tx\t0\nb\ty\t1\n", noItems)
	// by order of the lines: x 1, z 2, y 3, w 4; a has x y z w; b has too few
	if len(s.Train) != 2 || len(s.Valid) != 1 || len(s.Test) != 1 || s.Untested != 1 {
		t.Fatalf("%+v", s)
	}
	v, q := s.Valid[0], s.Test[0]
	if !slices.Equal(v.History, []int32{1, 3}) || !slices.Equal(v.Targets, []int32{2}) {
		t.Errorf("validation %+v", v)
	}
	if !slices.Equal(q.History, []int32{1, 3, 2}) || !slices.Equal(q.Targets, []int32{4}) {
		t.Errorf("test %+v", q)
	}
	if !slices.Equal(s.Train[1].Items, []int32{1, 3}) {
		t.Errorf("the user with two items trains on %v", s.Train[1].Items)
	}
}

func TestCut_basketsStayTogether(t *testing.T) {
	s := cut(t, "user\titem\ttimestamp\na\tp\t10\na\tq\t10\na\tr\t20\na\ts\t30\na\tt\t30\na\tp\t40\n", noItems)
	// the repeat of p goes first, so the last basket is s, t
	if s.Repeats != 1 || !slices.Equal(s.Test[0].Targets, []int32{4, 5}) || !slices.Equal(s.Test[0].History, []int32{1, 2, 3}) {
		t.Fatalf("%+v", s)
	}
	if !slices.Equal(s.Train[0].Baskets, []int{0, 0}) || !slices.Equal(s.Valid[0].Targets, []int32{3}) {
		t.Errorf("%+v", s)
	}
}

func TestCut_columnSplit(t *testing.T) {
	log := "user\titem\tpos\tsplit\n" +
		"a\t1\t0\ttrain\na\t2\t1\ttrain\na\t3\t2\tvalid\na\t4\t3\ttest\n" +
		"b\t1\t0\ttrain\nb\t2\t1\ttrain\nb\t4\t3\ttest\n" + // no valid row: out of the test
		"c\t1\t0\ttrain\nc\t3\t1\tvalid\n" // no test row
	s := cut(t, log, noItems)
	if !s.Given || len(s.Train) != 3 || len(s.Valid) != 2 || len(s.Test) != 1 || s.Untested != 2 || s.LostItems != 1 {
		t.Fatalf("%+v", s)
	}
	if !slices.Equal(s.Test[0].History, []int32{1, 2, 3}) || !slices.Equal(s.Train[1].Items, []int32{1, 2}) {
		t.Errorf("%+v", s)
	}
}

func TestCut_refuses(t *testing.T) {
	head := "user\titem\tpos\tsplit\n"
	for log, want := range map[string]string{
		head + "a\t1\t0\tvalid\na\t2\t1\ttrain\n":  `user "a": a row of train comes after one of valid`,
		head + "a\t1\t0\tholdout\n":                `log.tsv:2: split "holdout": is none of train, valid and test`,
		head + "a\t1\t0\t\n":                       `log.tsv:2: split "": is none of`,
		head + "a\t1\t0\ttrain\na\t2\t1\ttrain\n":  "the log is too short",
		"user\titem\tpos\na\t1\t0\na\t2\t1\n":      "the log is too short",
		"user\titem\tpos\n":                        "the log is too short",
		"user\titem\n":                             "timestamp",
		"user\titem\tpos\na\t1\tsoon\n":            `pos "soon"`,
		"user\titem\ttimestamp\na\t1\tyesterday\n": `timestamp "yesterday"`,
	} {
		interactions, items := write(t, log, noItems)
		l, err := Open(interactions, items)
		if err == nil {
			_, err = Cut(l)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", log, err, want)
		}
	}
}

// TestCut_properties draws logs and checks what must hold for all of them.
func TestCut_properties(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		var b strings.Builder
		b.WriteString("user\titem\ttimestamp\n")
		for range 200 {
			fmt.Fprintf(&b, "u%d\ti%d\t%d\n", rng.IntN(10), rng.IntN(30), rng.IntN(40))
		}
		l := open(t, b.String(), noItems)
		s, err := Cut(l)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, own := range l.Rows {
			rows += len(own)
		}
		used := s.Repeats
		for _, seq := range s.Train {
			used += len(seq.Items)
		}
		for i, qs := range [][]Question{s.Valid, s.Test} {
			for _, q := range qs {
				used += len(q.Targets)
				seen := map[int32]bool{}
				for _, item := range slices.Concat(q.History, q.Targets) {
					if seen[item] {
						t.Fatalf("part %d: item %d of user %d stands twice", i, item, q.User)
					}
					seen[item] = true
				}
			}
		}
		if used != rows {
			t.Fatalf("%d rows became %d", rows, used)
		}
		for i, seq := range s.withValid() {
			if n := len(s.Train[i].Items); !slices.Equal(seq.Items[:n], s.Train[i].Items) || len(seq.Items) != len(seq.Baskets) {
				t.Fatalf("with the validation: %+v", seq)
			}
		}
	}
}
