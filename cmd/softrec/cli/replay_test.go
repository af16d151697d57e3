package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/replay"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/schema"
)

// count reads a topic to its present end.
func count(t *testing.T, cfg broker.Config, topic string) []broker.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	src, err := broker.NewPartitionSource(cfg, topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ends, err := src.Ends(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	for _, end := range ends {
		want += end
	}
	var all []broker.Record
	for int64(len(all)) < want {
		recs, err := src.Fetch(ctx, 100, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, recs...)
	}
	return all
}

func TestReplay_sendsBothFiles(t *testing.T) {
	servers, err := embedded.Start(embedded.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"items.tsv": "item\ttitle\nteapot\tRed teapot\n",
		"log.tsv":   "user\titem\ttimestamp\nanna\tteapot\t1291191960\nben\tteapot\t1291191961\nanna\tlantern\t1291191962\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	brokers := strings.Join(servers.Brokers(), ",")
	if _, err := softrec(t, nil, "wait", "--kafka-brokers", brokers, "--redis-addrs", servers.RedisAddr(), "--for", "20s"); err != nil {
		t.Fatal(err)
	}
	_, err = softrec(t, nil, "replay", "--kafka-brokers", brokers, "--limit", "2", "--shift-to-now",
		"--items", filepath.Join(dir, "items.tsv"), "--interactions", filepath.Join(dir, "log.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := broker.DefaultConfig()
	cfg.Brokers = servers.Brokers()
	events, items := count(t, cfg, schema.TopicInteractions), count(t, cfg, schema.TopicItems)
	if len(events) != 2 || len(items) != 1 {
		t.Fatalf("%d interactions and %d items, want 2 and 1", len(events), len(items))
	}
	for _, r := range events {
		e, err := schema.DecodeEvent(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(e.Timestamp); age < 0 || age > time.Minute {
			t.Errorf("event of %s is %s old, want it to have been shifted to now", e.UserID, age)
		}
	}
}

// publisher takes records, and ends its reader after the first time.
type publisher struct {
	events []schema.Event
	stop   context.CancelFunc // nil: it goes on
}

// Publish implements replay.Publisher.
func (p *publisher) Publish(ctx context.Context, topic string, recs ...broker.Record) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, r := range recs {
		if topic != schema.TopicInteractions {
			continue
		}
		e, err := schema.DecodeEvent(r.Value)
		if err != nil {
			return err
		}
		p.events = append(p.events, e)
	}
	if p.stop != nil {
		p.stop()
	}
	return nil
}

// Whatever an interrupt meets, the command says that not everything was sent.
func TestSendFiles_interrupted(t *testing.T) {
	items, log := filepath.Join(t.TempDir(), "items.tsv"), filepath.Join(t.TempDir(), "log.tsv")
	write(t, items, "item\nteapot\nlantern\n")
	write(t, log, "user\titem\ttimestamp\nanna\tteapot\t1291191960\nben\tteapot\t1291191961\n")
	for name, c := range map[string]struct {
		flags replayFlags
		batch int
		want  string
	}{
		"in the catalogue":  {replayFlags{items: items, interactions: log}, 1, "interrupted after 1 items"},
		"the catalogue":     {replayFlags{items: items}, 1, "interrupted after 1 items"},
		"between the files": {replayFlags{items: items, interactions: log}, 2, "interrupted before the first interaction"},
		"in the log":        {replayFlags{interactions: log}, 1, "interrupted after 1 of 2 interactions"},
		"after all":         {replayFlags{interactions: log}, 2, ""},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		how := replay.DefaultConfig()
		how.Batch = c.batch
		err := sendFiles(ctx, how, c.flags, &publisher{stop: cancel}, io.Discard)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		cancel()
	}
}

// What is not sent does not count in where a log ends, nor in how long its replay takes.
func TestSendFiles_shiftsWhatIsSent(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.tsv")
	write(t, log, "user\titem\ttimestamp\nanna\tteapot\t1291191960\nben\tteapot\t1291192060\nanna\tlantern\t1391191962\n") // the last is years later
	how := replay.DefaultConfig()
	how.Limit = 2
	var got publisher
	if err := sendFiles(t.Context(), how, replayFlags{interactions: log, toNow: true}, &got, io.Discard); err != nil {
		t.Fatal(err)
	}
	if n := len(got.events); n != 2 || time.Since(got.events[1].Timestamp) > time.Minute || time.Until(got.events[1].Timestamp) > 0 {
		t.Errorf("sent %+v, want two events, the second of now", got.events)
	}
	span, err := measure(log, how.Limit)
	if err != nil || span.Rows != 2 {
		t.Fatalf("span %+v, %v", span, err)
	}
	how.Speed = 100
	if ends := time.Until(span.Last.Add(shift(span, how))); ends < -time.Minute || ends > time.Second {
		t.Errorf("a replay of 100 s at 100 times its speed ends in %s, want one second", ends)
	}
	if whole, err := measure(log, 0); err != nil || whole.Rows != 3 {
		t.Errorf("the whole log: %+v, %v", whole, err)
	}
}
