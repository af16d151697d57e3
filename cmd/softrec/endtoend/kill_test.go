package endtoend

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

const (
	killRounds = 10
	killUsers  = 40
	killItems  = 60

	// roundsPatience bounds the wait for two rounds: on two cores that also run the tests of another package, a round of this test
	// was seen to take 40 s.
	roundsPatience = 5 * time.Minute
)

// ledger remembers what became of every event that was sent.
type ledger struct {
	mu      sync.Mutex
	acked   map[string]map[uint32]bool // user -> event id: accepted, must be in the window once
	unknown map[string]map[uint32]bool // no answer came: may be there, at most once
	next    atomic.Int64
}

func (l *ledger) note(events []schema.Event, accepted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	into := l.unknown
	if accepted {
		into = l.acked
	}
	for _, e := range events {
		if into[e.UserID] == nil {
			into[e.UserID] = map[uint32]bool{}
		}
		into[e.UserID][schema.EventHash(e.EventID)] = true
	}
}

// click sends batches of events until stop is closed.
func (l *ledger) click(p *process, seed uint64, stop <-chan struct{}) {
	rng := rand.New(rand.NewPCG(seed, 4))
	for {
		select {
		case <-stop:
			return
		default:
		}
		var events []schema.Event
		for range 1 + rng.IntN(8) {
			user := rng.IntN(killUsers)
			events = append(events, schema.Event{
				EventID: fmt.Sprint("e", l.next.Add(1)), UserID: fmt.Sprint("u", user), Type: "view",
				ItemID: fmt.Sprint("i", (user+rng.IntN(5))%killItems), Timestamp: time.Now().UTC().Truncate(time.Millisecond),
			})
		}
		body, err := json.Marshal(events)
		if err != nil {
			panic(err) // plain values cannot fail to encode
		}
		l.note(events, p.post("/v1/events", body) == nil)
	}
}

// The promise behind everything else: kill softrec with -9 at any moment, start it again, and no accepted event is lost
// and none counts twice; the trainer goes on where it was.
func TestAll_killedTenTimesLosesAndDoublesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes for half a minute")
	}
	bin, dir, addr := binary(t), t.TempDir(), freeAddr(t)
	flags := []string{
		"--window-len", "10000", "--trainer-bootstrap-events", "50", "--trainer-round-events", "400", "--trainer-round-min-events", "100",
		"--trainer-round-interval", "2s", "--trainer-sequence-dim", "8", "--trainer-sequence-ff", "8", "--trainer-sequence-layers", "1",
		"--trainer-sequence-max-len", "20", "--trainer-learn-limit", "500", "--trainer-soft-epochs", "2", "--trainer-soft-teacher-epochs", "1",
		"--pjrt-plugin", "none",
	}
	l := &ledger{acked: map[string]map[uint32]bool{}, unknown: map[string]map[uint32]bool{}}
	rng := rand.New(rand.NewPCG(7, 7))
	for k := range killRounds {
		p := start(t, bin, dir, addr, flags...)
		stop := make(chan struct{})
		var g sync.WaitGroup
		for c := range 4 {
			g.Go(func() { l.click(p, uint64(k*4+c), stop) })
		}
		time.Sleep(time.Duration(100+rng.IntN(1900)) * time.Millisecond) // the random moment is the point
		p.kill()
		close(stop)
		g.Wait()
	}
	p := start(t, bin, dir, addr, flags...)
	for u := range killUsers {
		p.until(fmt.Sprintf("the window of user %d", u), time.Minute, func() bool { return l.missing(t, p, fmt.Sprint("u", u)) == 0 })
	}
	total := 0
	for u := range killUsers {
		total += l.check(t, p, fmt.Sprint("u", u))
	}
	if total < 500 {
		t.Errorf("only %d events went through: the test proved little", total)
	}
	// Rounds stand behind the clicks of four clients, so few of them end between two kills.
	stop := make(chan struct{})
	var g sync.WaitGroup
	g.Go(func() { l.click(p, 99, stop) })
	p.until("two rounds in a row", roundsPatience, func() bool { return checkRounds(t, p) > 0 })
	close(stop)
	g.Wait()
	p.stop()
	t.Logf("%d events in windows after %d kills", total, killRounds)
}

// missing counts accepted events that the user's window does not show.
func (l *ledger) missing(t *testing.T, p *process, user string) int {
	t.Helper()
	w, err := read[schema.Window](p, "/v1/users/"+user)
	if err != nil {
		return -1
	}
	have := map[uint32]bool{}
	for _, e := range w.Entries {
		have[e.EventHash] = true
	}
	n := 0
	for id := range l.acked[user] {
		if !have[id] {
			n++
		}
	}
	return n
}

// check demands that every accepted event stands in the window once, and nothing stands there that was not sent.
func (l *ledger) check(t *testing.T, p *process, user string) int {
	t.Helper()
	w, err := read[schema.Window](p, "/v1/users/"+user)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]int{}
	for i, e := range w.Entries {
		seen[e.EventHash]++
		if seen[e.EventHash] > 1 {
			t.Errorf("user %s: event %08x stands in the window %d times", user, e.EventHash, seen[e.EventHash])
		}
		if !l.acked[user][e.EventHash] && !l.unknown[user][e.EventHash] {
			t.Errorf("user %s: event %08x was never sent", user, e.EventHash)
		}
		if i > 0 && e.Timestamp.Before(w.Entries[i-1].Timestamp) {
			t.Errorf("user %s: entry %d is older than the one before it", user, i)
		}
	}
	for id := range l.acked[user] {
		if seen[id] == 0 {
			t.Errorf("user %s: accepted event %08x is lost", user, id)
		}
	}
	return len(w.Entries)
}

// checkRounds demands that the trainer's rounds join: each begins where the one before it ended.
func checkRounds(t *testing.T, p *process) (joined int) {
	t.Helper()
	got, err := read[struct {
		Rounds []schema.Round `json:"rounds"`
	}](p, "/v1/rounds?limit=1000")
	if err != nil {
		t.Fatal(err)
	}
	byNumber := map[int]schema.Round{}
	for _, r := range got.Rounds {
		byNumber[r.Round] = r
	}
	for n, r := range byNumber {
		before, ok := byNumber[n-1]
		if !ok || n-1 == 0 {
			continue
		}
		for part, from := range r.From {
			if before.To[part] != from {
				t.Errorf("round %d begins at %s:%d, the one before it ended at %d", n, part, from, before.To[part])
			}
		}
		joined++
	}
	return joined
}
