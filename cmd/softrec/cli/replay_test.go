package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
