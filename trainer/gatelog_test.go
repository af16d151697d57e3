package trainer

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/eval"
)

// logEvents reads the first n interactions of a TSV with the columns user, item and timestamp (Unix seconds), zstd.
func logEvents(t *testing.T, path string, n int) []schema.Event {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Scan()
	head := strings.Split(lines.Text(), "\t")
	user, item, at := slices.Index(head, "user"), slices.Index(head, "item"), slices.Index(head, "timestamp")
	if min(user, item, at) < 0 {
		t.Skipf("%s has the columns %v", path, head)
	}
	var out []schema.Event
	for len(out) < n && lines.Scan() {
		row := strings.Split(lines.Text(), "\t")
		sec, err := strconv.ParseInt(row[at], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, schema.Event{UserID: row[user], ItemID: row[item], Type: schema.DefaultType, Timestamp: time.Unix(sec, 0).UTC()})
	}
	return out
}

// What the gate and the watch see on a real log, for choosing their sizes: GATE_LOG names an interactions.tsv.zst. Every
// round's newer counts go live; the differences and their standard errors are printed.
func TestGate_onALog(t *testing.T) {
	path := os.Getenv("GATE_LOG")
	if path == "" {
		t.Skip("GATE_LOG names no log: it prints figures, and decides nothing")
	}
	cfg := DefaultConfig()
	cfg.Learner, cfg.RollbackEvents = LearnerCounts, 4000
	rules := window.Rules{Len: 50, Lateness: 24 * time.Hour}
	r := &rounds{cfg: cfg, rules: rules, now: time.Now}
	r.publish = publishNowhere
	k := nothingLearnt(t, cfg)
	c := newCollector(rules, 0, k)
	p := newPrequential(cfg)
	c.score = func(history []step, s step, e schema.Event, target int32) { p.score(c, history, s, e, target) }
	var live *liveModel
	for i, e := range logEvents(t, path, 100_000) {
		c.offsets[0] = int64(i + 1)
		c.learn(broker.Record{Offset: int64(i), Time: e.Timestamp}, e)
		if c.fresh < cfg.RoundEvents {
			continue
		}
		if w := p.watch; w != nil {
			for _, n := range []int{1000, 2000, 4000} {
				n = min(n, len(w.users))
				if d, err := eval.Cluster(w.users[:n], gains(w.beside[:n]), gains(w.ranks[:n])); err == nil {
					t.Logf("  watch of %4d: %s", n, inWords(d))
				}
			}
			t.Logf("  over: %v, stays: %v, %s", w.over, w.passed, w.reason)
		}
		w, err := r.prepare(t.Context(), k, c.take(), live)
		if err != nil {
			t.Fatal(err)
		}
		candidate, v, err := r.gate(t.Context(), w, w.live, w.kept, noWorse)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %s", w.round, v.Reason)
		out := &outcome{Live: live}
		if err := r.release(t.Context(), w, candidate, LearnerCounts, v, out); err != nil {
			t.Fatal(err)
		}
		p.promote(out.Live, p.events())
		if live != nil {
			p.watch = newTrial(cfg, trialWatch, out.Live, live)
		}
		live, k = out.Live, w.after()
		c.carried = k.Carried
	}
}

func inWords(d eval.Clustered) string {
	return fmt.Sprintf("%d lines of %d users, as good as %.0f equal ones: %.4f, %+.5f (%+.1f %%), s.e. %.5f (%.1f %%), t %+.2f",
		d.Cases, d.Users, d.Effective, d.Old, d.Mean, 100*d.Mean/d.Old, d.SE, 100*d.SE/d.Old, d.Mean/d.SE)
}
