package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory keeps what was published, with the time it came.
type memory struct {
	topics  []string
	records []broker.Record
	at      []time.Duration
	started time.Time
	fail    error
	after   func()
}

func (m *memory) Publish(ctx context.Context, topic string, recs ...broker.Record) error {
	if m.fail != nil {
		return m.fail
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, r := range recs {
		m.topics = append(m.topics, topic)
		m.records = append(m.records, r)
		m.at = append(m.at, time.Since(m.started))
	}
	if m.after != nil {
		m.after()
	}
	return nil
}

// hourly is a log with one interaction an hour.
func hourly(t *testing.T, n int) *logfile.Interactions {
	t.Helper()
	var b strings.Builder
	b.WriteString("user\titem\ttimestamp\n")
	for i := range n {
		fmt.Fprintf(&b, "u%d\ti%d\t%d\n", i%3, i, 1_291_191_960+i*3600)
	}
	log, err := logfile.NewInteractions("hourly.tsv", strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func play(t *testing.T, ctx context.Context, cfg Config, m *memory, log *logfile.Interactions) Stats {
	t.Helper()
	m.started = time.Now()
	p, err := New(cfg, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := p.Interactions(ctx, log, NoProgress())
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func TestInteractions_sendsEventsKeyedByUserInOrder(t *testing.T) {
	m := &memory{}
	cfg := DefaultConfig()
	cfg.Batch, cfg.Limit, cfg.Shift = 3, 7, time.Hour
	if got := play(t, t.Context(), cfg, m, hourly(t, 10)); got != (Stats{Sent: 7, Complete: true}) {
		t.Errorf("stats %+v", got)
	}
	for i, r := range m.records {
		e, err := schema.DecodeEvent(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Key) != e.UserID || e.ItemID != fmt.Sprint("i", i) || m.topics[i] != schema.TopicInteractions {
			t.Errorf("record %d is %s on %s, key %s", i, r.Value, m.topics[i], r.Key)
		}
		if want := int64(1_291_191_960 + (i+1)*3600); e.Timestamp.Unix() != want {
			t.Errorf("record %d is of %s, want %d", i, e.Timestamp, want)
		}
	}
}

func TestInteractions_twiceIsTheSame(t *testing.T) {
	a, b := &memory{}, &memory{}
	play(t, t.Context(), DefaultConfig(), a, hourly(t, 50))
	play(t, t.Context(), DefaultConfig(), b, hourly(t, 50))
	if d := cmp.Diff(a.records, b.records); d != "" {
		t.Errorf("the second replay differs:\n%s", d)
	}
}

func TestInteractions_keepsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		cfg := DefaultConfig()
		cfg.Speed, cfg.Warmup = 3600, 4 // one a second after the first four
		play(t, t.Context(), cfg, m, hourly(t, 8))
		want := []time.Duration{0, 0, 0, 0, 0, time.Second, 2 * time.Second, 3 * time.Second}
		if d := cmp.Diff(want, m.at); d != "" {
			t.Errorf("times differ (-want +got):\n%s", d)
		}
	})
}

func TestInteractions_catchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.after = func() { // the broker is slow once
			if len(m.records) == 1 {
				time.Sleep(2500 * time.Millisecond)
			}
		}
		cfg := DefaultConfig()
		cfg.Speed = 3600
		play(t, t.Context(), cfg, m, hourly(t, 5))
		if got := m.at[4]; got != 4*time.Second {
			t.Errorf("the last interaction went at %s, want 4s", got)
		}
	})
}

func TestInteractions_stopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		cfg := DefaultConfig()
		cfg.Speed = 3600
		if got := play(t, ctx, cfg, &memory{}, hourly(t, 100)); got != (Stats{Sent: 3}) {
			t.Errorf("stats %+v, want 3 sent and not complete", got)
		}
	})
}

func TestPlayer_reportsFaults(t *testing.T) {
	down := errors.New("broker is down")
	p, err := New(DefaultConfig(), &memory{fail: down}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Interactions(t.Context(), hourly(t, 3), NoProgress()); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	bad, err := logfile.NewInteractions("bad.tsv", strings.NewReader("user\titem\ttimestamp\nu\ti\t1\nu\ti\tx\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	p, err = New(DefaultConfig(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Interactions(t.Context(), bad, NoProgress()); err == nil || !strings.Contains(err.Error(), "bad.tsv:3") {
		t.Errorf("got %v", err)
	}
	if len(m.records) != 1 {
		t.Errorf("%d records before the bad line were sent, want 1", len(m.records))
	}
	if _, err := New(Config{Speed: -1, Limit: -1}, m, nil); err == nil || strings.Count(err.Error(), "replay.") != 4 {
		t.Errorf("bad config: %v", err)
	}
}

func TestItems(t *testing.T) {
	items, err := logfile.NewItems("items.tsv", strings.NewReader("item\ttitle\na\tLantern\nb\tTeapot\nc\t\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	cfg := DefaultConfig()
	cfg.Batch = 2
	p, err := New(cfg, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := p.Items(t.Context(), items, NoProgress())
	if err != nil || stats != (Stats{Sent: 3, Complete: true}) {
		t.Fatalf("stats %+v, %v", stats, err)
	}
	if got := string(m.records[1].Value); got != `{"id":"b","title":"Teapot"}` || string(m.records[1].Key) != "b" || m.topics[1] != schema.TopicItems {
		t.Errorf("record %s on %s", got, m.topics[1])
	}
}

func TestProgress_linesWithoutATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&out, "events", 100)
		p.Add(10)
		time.Sleep(10 * time.Second)
		p.Add(10)
		p.Add(10)
		p.Done()
		want := "events: 20 of 100 (20 %), 2/s\nevents: 30 of 100 (30 %), 3/s\n"
		if out.String() != want {
			t.Errorf("got:\n%swant:\n%s", out.String(), want)
		}
	})
}
