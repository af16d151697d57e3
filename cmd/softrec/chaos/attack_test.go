package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/schema"
)

// asChild makes the test binary a process that waits to be killed, or for the end of its input.
const asChild = "SOFTREC_TEST_CHAOS_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		os.Exit(m.Run())
	}
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// victim is a part of a process that does nothing.
func victim(t *testing.T) *part {
	t.Helper()
	p := &part{name: "victim", log: slog.New(slog.DiscardHandler), command: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asChild+"=1")
		_, _ = cmd.StdinPipe()
		return cmd
	}}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

// A trainer that writes no snapshot in time is killed all the same; the result does not say that it was met while it published.
func TestCommit_countsWhatTheKillMet(t *testing.T) {
	servers, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	rdb := redis.NewClient(&redis.Options{Addr: servers.RedisAddr()})
	t.Cleanup(func() { _ = rdb.Close() })
	works, err := json.Marshal(schema.Prequential{At: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	if err := rdb.Set(t.Context(), cfg.Redis.Keys().Prequential(), works, 0).Err(); err != nil {
		t.Fatal(err)
	}
	for kind, writes := range map[string]bool{killTrainer: false, killPublishing: true} {
		r := &run{
			o: DefaultOptions(), cfg: cfg, dir: t.TempDir(), rdb: rdb, trainer: victim(t), publishWait: time.Millisecond,
			took: map[string][]float64{}, happened: map[string]int{},
		}
		if writes {
			if err := os.MkdirAll(filepath.Join(r.dir, "models", ".being-written"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.commit(t.Context(), fault{kind: killPublishing}); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(r.happened), fmt.Sprint(map[string]int{kind: 1}); got != want || len(r.took[kind]) != 1 || len(r.faults) > 0 {
			t.Errorf("a snapshot is being written: %v: counted %v, took %v, faults %v, want %v", writes, got, r.took, r.faults, want)
		}
	}
}
