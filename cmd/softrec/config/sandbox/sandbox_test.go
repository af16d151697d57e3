package sandbox

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
)

// Everything that names a topic, a group or keys is below the run's name.
func TestNames(t *testing.T) {
	cfg := config.Default()
	cfg.Attribution.Enabled = true
	left := Names(&cfg, "run-1")
	keys, err := config.Keys(cfg)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, k := range keys {
		if last := k.Path[strings.LastIndexAny(k.Path, "._")+1:]; last != "topic" && last != "group" && k.Path != "redis.prefix" {
			continue
		}
		named++
		if name := k.Default.(string); !strings.HasPrefix(name, "run-1") || strings.HasSuffix(k.Path, "topic") && !slices.Contains(left.Topics, name) {
			t.Errorf("%s is %q, and %q are removed", k.Path, name, left.Topics)
		}
	}
	if err := cfg.Check(); err != nil || named != 7 {
		t.Errorf("%d names, %v", named, err)
	}
}

func TestLeavings_Remove(t *testing.T) {
	servers, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = servers.Close() })
	rdb := redis.NewClient(&redis.Options{Addr: servers.RedisAddr()})
	t.Cleanup(func() { _ = rdb.Close() })
	for _, key := range []string{"run-1:u:{a}", "run-1:names", "run-10:names", "softrec:names"} {
		if err := rdb.Set(t.Context(), key, "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config.Default()
	cfg.Kafka.Brokers = servers.Brokers()
	left := Names(&cfg, "run-1")
	if err := broker.EnsureTopics(t.Context(), cfg.Kafka, broker.TopicSpec{Name: cfg.Ingest.Topic, Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is gone is no fault
		if err := left.Remove(t.Context(), cfg.Kafka, rdb, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := rdb.Keys(t.Context(), "*").Result()
	slices.Sort(keys)
	if err != nil || !slices.Equal(keys, []string{"run-10:names", "softrec:names"}) {
		t.Errorf("left are %q, %v", keys, err)
	}
}

// A process beside others has all settings but those of which a machine has one.
func TestEnviron(t *testing.T) {
	t.Setenv("SOFTREC_ADMIN_LISTEN", ":9090")
	cfg := config.Default()
	cfg.DataDir, cfg.Models.Dir, cfg.Admin.Listen, cfg.Admin.Access.KeysFile = "data", "models", ":9090", "keys.json"
	cfg.Serve.Listen, cfg.Serve.AdminListen, cfg.Serve.Access.KeysFile, cfg.Serve.TLS.CertFile, cfg.Serve.TLS.KeyFile = ":8080", ":9090", "keys.json", "c.pem", "k.pem"
	cfg.Serve.DefaultItems, cfg.Redis.Addrs, cfg.Redis.Password = 7, []string{"a:1"}, "opensesame"
	env, err := Environ(cfg)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Sources{Environ: env})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Serve.DefaultItems, want.Redis = 7, cfg.Redis
	if d := cmp.Diff(want, loaded.Config, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("settings differ (-want +got):\n%s", d)
	}
}
