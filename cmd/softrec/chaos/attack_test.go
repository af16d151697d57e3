package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/config/configtest"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/schema"
)

// asChild makes the test binary a process that waits to be killed, or for the end of its input.
const asChild = "SOFTREC_TEST_CHAOS_CHILD"

func TestMain(m *testing.M) {
	switch alone := os.Getenv(asChild); alone {
	case "":
		configtest.DropTestVariables()
		os.Exit(m.Run())
	case "1":
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
	default:
		os.Exit(visit(alone))
	}
}

// visit is a process that may run once at a time, which a file tells, and ends in order.
func visit(alone string) (status int) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt)
	f, err := os.OpenFile(alone, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		fmt.Println("another one is there:", err)
		return 1
	}
	<-asked
	if err := errors.Join(f.Close(), os.Remove(alone)); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// The third ingest comes once at a time though rebalances overlap, and its log file is closed with the run.
func TestCommit_oneGuestAtATime(t *testing.T) {
	t.Setenv(asChild, filepath.Join(t.TempDir(), "alone"))
	r := &run{
		o: DefaultOptions(), cfg: config.Default(), dir: t.TempDir(), log: slog.New(slog.DiscardHandler),
		took: map[string][]float64{}, happened: map[string]int{},
	}
	r.o.Self, r.o.Dir = []string{os.Args[0]}, r.dir
	r.fresh = &freshness{waves: []time.Time{time.Now().Add(time.Hour)}, visible: 1}
	r.guest = r.ingestPart(3)
	g, ctx := errgroup.WithContext(t.Context())
	for range 3 {
		g.Go(func() error { return r.commit(ctx, fault{kind: rebalance, hold: 3 * time.Second}) })
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
	if crashes := r.guest.crashed(); r.happened[rebalance] != 3 || len(r.faults)+len(crashes) > 0 {
		t.Errorf("%d rebalances; faults %v, crashes %v", r.happened[rebalance], r.faults, crashes)
	}
	open, _ := filepath.Glob("/proc/self/fd/*") // none on other systems
	for _, fd := range open {
		if to, err := os.Readlink(fd); err == nil && filepath.Dir(to) == r.dir {
			t.Errorf("%s is still open", to)
		}
	}
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
