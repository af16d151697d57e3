package validate_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/cmd/softrec/validate"
	"github.com/softrec/softrec/ingest/broker"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func options() validate.Options {
	return validate.Options{Source: "log.tsv", Now: now, MaxFuture: 5 * time.Minute, Lateness: 24 * time.Hour, Bootstrap: 10}
}

// sound is a log without fault: users come back, items vary.
func sound() string {
	var b strings.Builder
	b.WriteString("user\titem\ttimestamp\ttype\n")
	for i := range 60 {
		fmt.Fprintf(&b, "u%d\ti%d\t%d\tview\n", i%15, i%7, now.Add(-time.Duration(100-i)*time.Minute).Unix())
	}
	return b.String()
}

func look(t *testing.T, log string, opts validate.Options) validate.Report {
	t.Helper()
	in, err := logfile.NewInteractions("log.tsv", strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	r, err := validate.Run(t.Context(), validate.File(in, 0), opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verdict(t *testing.T, r validate.Report, name string) validate.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q in %v", name, r.Checks)
	return validate.Check{}
}

func TestRun_soundLogPasses(t *testing.T) {
	r := look(t, sound(), options())
	if r.Worst() != validate.Pass || r.Rows != 60 || r.Users != 15 || r.Items != 7 {
		var b bytes.Buffer
		_ = r.Write(&b)
		t.Errorf("a sound log does not pass:\n%s", b.String())
	}
}

// Each fault is found by its own check, and by no other than those it touches.
func TestRun_findsFaults(t *testing.T) {
	minute := func(i int) int64 { return now.Add(-time.Duration(i) * time.Minute).Unix() }
	many := func(n int, row func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(row(i) + "\n")
		}
		return b.String()
	}
	for _, c := range []struct {
		name  string
		more  string // lines after the sound ones
		check string
		want  validate.Verdict
		where string // of the first offender
	}{
		{"a bad time", fmt.Sprintf("u1\ti1\tsoon\tview\nu1\ti2\t%d\tview\n", minute(1)), "rows can be read", validate.Warn, "line 62"},
		{"many bad rows", many(10, func(int) string { return "\ti1\t1\tview" }), "rows can be read", validate.Fail, "line 62"},
		{"a missing column", "u1\ti1\n", "rows can be read", validate.Warn, "line 62"},
		{"the future", fmt.Sprintf("u1\ti1\t%d\tview\n", now.Add(time.Hour).Unix()), "not in the future", validate.Warn, "line 62"},
		{"seconds for milliseconds", many(10, func(i int) string { return fmt.Sprintf("u%d\ti1\t%d\tview", i, 1000+i) }), "timestamps", validate.Fail, "line 62"},
		{"late rows", fmt.Sprintf("u1\ti1\t%d\tview\n", now.Add(-48*time.Hour).Unix()), "order within a user", validate.Warn, "line 62"},
		{"rows twice", fmt.Sprintf("u1\ti1\t%d\tview\nu1\ti1\t%d\tview\n", minute(1), minute(1)), "nothing twice", validate.Warn, "line 63"},
		{"a robot", many(20, func(i int) string { return fmt.Sprintf("robot\ti%d\t%d\tview", i%7, minute(20-i)) }), "no user outweighs the rest", validate.Warn, ""},
		{"texts as types", many(120, func(i int) string { return fmt.Sprintf("u%d\ti1\t%d\tsearched for %d", i%15, minute(200-i), i) }), "types", validate.Warn, ""},
		{"visitors", many(500, func(i int) string { return fmt.Sprintf("once%d\ti%d\t%d\tview", i, i%7, minute(1)) }), "users come back", validate.Warn, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := verdict(t, look(t, sound()+c.more, options()), c.check)
			if got.Verdict != c.want {
				t.Errorf("%s: %s (%s), want %s", c.check, got.Verdict, got.Finding, c.want)
			}
			if c.where != "" && (len(got.Offenders) == 0 || got.Offenders[0].Where != c.where) {
				t.Errorf("offenders %v, want the first at %s", got.Offenders, c.where)
			}
			if got.Hint == "" {
				t.Error("no hint what to do")
			}
		})
	}
}

func TestRun_constants(t *testing.T) {
	r := look(t, "user\titem\tpos\nu\ti\t1\nu\ti\t1\n", options())
	if c := verdict(t, r, "users and items"); c.Verdict != validate.Fail {
		t.Errorf("one user and one item: %v", c)
	}
	if c := verdict(t, r, "timestamps"); c.Verdict != validate.Fail {
		t.Errorf("one time: %v", c)
	}
	if r.Worst() != validate.Fail {
		t.Errorf("worst %s", r.Worst())
	}
}

func TestRun_catalogue(t *testing.T) {
	items, err := logfile.NewItems("items.tsv", strings.NewReader("item\ttitle\ni1\tOne\ni2\t\n\tNobody\ni3\tThree\n"))
	if err != nil {
		t.Fatal(err)
	}
	opts := options()
	if opts.Catalogue, opts.Known, err = validate.Items(items); err != nil {
		t.Fatal(err)
	}
	if c := opts.Catalogue; c.Items != 3 || c.Untitled != 1 || c.BadItems != 1 || c.Bad[0].Where != "catalogue, line 4" {
		t.Errorf("catalogue %+v", c)
	}
	c := verdict(t, look(t, sound(), opts), "items are in the catalogue")
	if c.Verdict != validate.Warn || !strings.Contains(c.Finding, "1 unusable") {
		t.Errorf("%+v", c)
	}
}

// topic is a source of records that stand there already; what is written later must not be read.
type topic struct {
	recs []broker.Record
	ends map[int]int64
}

func (s *topic) Fetch(ctx context.Context, most int, _ time.Duration) ([]broker.Record, error) {
	if len(s.recs) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := min(most, len(s.recs))
	out := s.recs[:n]
	s.recs = s.recs[n:]
	return out, nil
}

func (s *topic) Ends(context.Context) (map[int]int64, error) { return s.ends, nil }

func TestTopic_readsWhatStandsThere(t *testing.T) {
	event := func(user, id string, at int) []byte {
		return fmt.Appendf(nil, `{"event_id":%q,"user_id":%q,"item_id":"i%d","timestamp":%d}`, id, user, at, now.Add(-time.Duration(at)*time.Minute).Unix())
	}
	src := &topic{ends: map[int]int64{0: 3, 1: 2, 2: 0}, recs: []broker.Record{
		{Partition: 0, Offset: 0, Key: []byte("a"), Value: event("a", "1", 3)},
		{Partition: 0, Offset: 1, Key: []byte("a"), Value: nil},
		{Partition: 1, Offset: 0, Key: []byte("other"), Value: event("b", "2", 2)},
		{Partition: 1, Offset: 1, Key: []byte("b"), Value: []byte("\x00\x01 no JSON")},
		{Partition: 1, Offset: 2, Key: []byte("b"), Value: event("b", "later", 1)},
		{Partition: 0, Offset: 2, Key: []byte("a"), Value: event("a", "1", 1)},
	}}
	opts := options()
	opts.Topic = true
	r, err := validate.Run(t.Context(), validate.Topic(t.Context(), src, 0), opts)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rows != 4 {
		t.Errorf("%d rows, want 4: without the tombstone and what was written later", r.Rows)
	}
	for name, where := range map[string]string{
		"rows can be read": "partition 1 offset 1", "records are keyed by user": "partition 1 offset 0", "event ids": "partition 0 offset 2",
	} {
		if c := verdict(t, r, name); c.Verdict == validate.Pass || len(c.Offenders) == 0 || c.Offenders[0].Where != where {
			t.Errorf("%s: %+v, want an offender at %s", name, c, where)
		}
	}
}

// FuzzFile holds that no line makes the reader of files or the checks fail.
func FuzzFile(f *testing.F) {
	f.Add(sound())
	f.Add("user\titem\ttimestamp\n\t\t\nu\ti\t1e300\nu\ti\n")
	f.Fuzz(func(t *testing.T, log string) {
		in, err := logfile.NewInteractions("log.tsv", strings.NewReader(log))
		if err != nil {
			return
		}
		r, err := validate.Run(t.Context(), validate.File(in, 200), options())
		if err == nil && r.Rows == 0 {
			t.Error("no rows and no error")
		}
	})
}
