package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

// watch opens a live stream and returns its events; the channel is closed when the stream ends.
func (st *stack) watch(url string) (events <-chan [2]string, stop func()) {
	st.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", url+livePath, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(req)
	if err != nil {
		st.t.Fatal(err)
	}
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		st.t.Fatalf("status %d, content type %q", resp.StatusCode, ct)
	}
	out := make(chan [2]string, 1000)
	go func() {
		defer close(out)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		name := ""
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "event: "):
				name = line[7:]
			case strings.HasPrefix(line, "data: "):
				out <- [2]string{name, line[6:]}
			case strings.HasPrefix(line, ":"):
				out <- [2]string{"comment", line}
			}
		}
	}()
	stop = func() {
		cancel()
		for range out {
		}
		_ = resp.Body.Close()
		client.CloseIdleConnections()
	}
	st.t.Cleanup(stop)
	return out, stop
}

// next waits for an event of the given name for which ok holds.
func next(t testing.TB, events <-chan [2]string, name string, ok func(data string) bool) string {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("the stream ended before %s", name)
			}
			if e[0] == name && (ok == nil || ok(e[1])) {
				return e[1]
			}
		case <-deadline:
			t.Fatalf("no event %s", name)
		}
	}
}

func (st *stack) round(n int, verdict string) {
	st.t.Helper()
	b, err := json.Marshal(schema.Round{Round: n, Verdict: verdict, Epochs: []schema.Epoch{{Lambda: 1}}})
	if err != nil {
		st.t.Fatal(err)
	}
	st.mr.HSet(st.keys.Rounds(), string(rune('0'+n)), string(b))
}

func TestLive_pictureThenChanges(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.LiveHeartbeat = 20 * time.Millisecond }).stock(3).model("v1", names(3)...)
	srv := httptest.NewServer(st.s.Handler())
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); st.s.hub.run(ctx) }()

	st.round(1, "promoted")
	for i := range 3 {
		st.recent(schema.Event{UserID: "u", ItemID: names(3)[i], Type: "view", Timestamp: st.clock()}, int64(i))
	}
	st.mr.Set(st.keys.Prequential(), "{\n\"events\": 7}")
	st.mr.HSet(st.keys.IngestStatus(), "a", `{"instance":"a","at":"2026-11-23T12:00:00Z","events":5,"rate":2.5,"lag":1}`)
	st.mr.HSet(st.keys.IngestStatus(), "gone", `{"instance":"gone","at":"2026-11-23T11:00:00Z","events":500}`)

	events, _ := st.watch(srv.URL)
	var stats Stats
	if err := json.Unmarshal([]byte(next(t, events, "stats", nil)), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Ingest.Events != 5 || stats.Ingest.Rate != 2.5 || len(stats.Ingest.Instances) != 1 || stats.Model.Version != "v1" || stats.Catalogue.Items != 3 || stats.Serve.Subscribers != 1 {
		t.Errorf("stats %+v", stats)
	}
	if got := next(t, events, "prequential", nil); got != `{"events":7}` {
		t.Errorf("prequential %s", got)
	}
	var rounds []schema.Round
	if err := json.Unmarshal([]byte(next(t, events, "rounds", nil)), &rounds); err != nil || len(rounds) != 1 || rounds[0].Verdict != "promoted" {
		t.Errorf("rounds %+v", rounds)
	}
	var recent []RecentEvent
	if err := json.Unmarshal([]byte(next(t, events, "events", nil)), &recent); err != nil || len(recent) != 3 || recent[0].ItemID != "i000" || recent[2].Title != "Item 2" {
		t.Errorf("events %+v", recent)
	}

	st.recent(schema.Event{UserID: "u9", ItemID: "i001", Type: "view", Timestamp: st.clock()}, 3)
	if err := json.Unmarshal([]byte(next(t, events, "events", nil)), &recent); err != nil || len(recent) != 1 || recent[0].UserID != "u9" || recent[0].Offset != 3 {
		t.Errorf("new events %+v", recent)
	}
	st.round(2, "refused")
	st.round(1, "failed")
	told := "" // a reading may fall between the two
	next(t, events, "rounds", func(d string) bool {
		told += d
		return strings.Contains(told, "refused") && strings.Contains(told, "failed")
	})
	next(t, events, "comment", nil)
	next(t, events, "stats", nil)

	if r := st.do("HEAD", livePath, ""); r.Code != 200 || len(r.Body) != 0 {
		t.Errorf("HEAD: status %d %s", r.Code, r.Body)
	}
	second, stopSecond := st.watch(srv.URL)
	next(t, second, "events", func(d string) bool { return strings.Contains(d, "u9") })
	stopSecond()
	eventually(t, "the second stream is forgotten", func() bool { return st.s.hub.count() == 1 })

	cancel() // a stop ends every stream and lets no new one in
	<-ended
	for range events {
	}
	if r := st.do("GET", livePath, ""); r.Code != 503 {
		t.Errorf("status %d while stopping", r.Code)
	}
}

func TestLive_boundedStreams(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.LiveSubscribers = 1 })
	sub := st.s.hub.subscribe()
	if sub == nil || st.s.hub.subscribe() != nil {
		t.Fatal("want one stream and no more")
	}
	if r := st.do("GET", livePath, ""); r.Code != 503 {
		t.Errorf("status %d for one too many", r.Code)
	}
	for range liveQueue + 1 { // nobody reads
		st.s.hub.send([][]byte{[]byte("x")}, [][]byte{[]byte("x")}, false)
	}
	select {
	case <-sub.done:
	default:
		t.Error("a slow stream was not ended")
	}
	st.wantMetric("softrec_serve_live_dropped_total 1")
	st.s.hub.unsubscribe(sub)
	if st.s.hub.subscribe() == nil {
		t.Error("its place was not given back")
	}
}

// A stream that opens while a reading is under way must get its full picture from the next one.
func TestLive_joinsDuringAReading(t *testing.T) {
	st := newStack(t)
	sub := st.s.hub.subscribe()
	st.s.hub.send(nil, [][]byte{[]byte("what changed")}, false)
	if len(sub.frames) != 0 {
		t.Fatalf("a fresh stream got %q", <-sub.frames)
	}
	st.s.hub.send([][]byte{[]byte("everything")}, nil, true)
	if got := string(<-sub.frames); got != "everything" {
		t.Errorf("got %q", got)
	}
}

func TestLive_redisAway(t *testing.T) {
	st := newStack(t).stock(1).refresh()
	sub := st.s.hub.subscribe()
	st.mr.Close()
	p := newPoller(st.s.hub)
	p.poll(t.Context())
	if f := string(<-sub.frames); !strings.HasPrefix(f, "event: stats\n") || !strings.Contains(f, "redis is away") {
		t.Errorf("frame %s", f)
	}
	// The full picture is still owed, also to a stream that comes when the others know everything.
	if err := st.mr.Restart(); err != nil {
		t.Fatal(err)
	}
	st.round(1, "promoted")
	st.advance(time.Hour) // the breaker lets one try
	p.poll(t.Context())
	p.poll(t.Context())
	var got []string
	for len(sub.frames) > 0 {
		got = append(got, string(<-sub.frames))
	}
	if all := strings.Join(got, ""); strings.Count(all, "event: rounds\n") != 1 || strings.Count(all, `"verdict":"promoted"`) != 1 {
		t.Errorf("after the outage: %s", all)
	}
}

func TestStats_rounds(t *testing.T) {
	st := newStack(t)
	st.round(1, "promoted")
	st.round(3, "refused")
	st.round(2, "promoted")
	st.mr.HSet(st.keys.Rounds(), "9", "broken")
	got := into[RoundList](t, st.do("GET", "/v1/rounds?limit=2", ""), 200).Rounds
	if len(got) != 2 || got[0].Round != 3 || got[1].Round != 2 {
		t.Errorf("rounds %+v", got)
	}
	if r := into[RoundList](t, newStack(t).do("GET", "/v1/rounds", ""), 200); r.Rounds == nil {
		t.Error("no rounds is null, want []")
	}
	st.mr.Set(st.keys.Prequential(), `{"events":7,"scores":{"model":{"hr10":0.5}}}`)
	s := into[FullStats](t, st.do("GET", "/v1/stats", ""), 200)
	if s.Prequential == nil || s.Prequential.Scores["model"].HR10 != 0.5 || s.Model != nil {
		t.Errorf("stats %+v", s)
	}
}

// What the poller remembers of the feed, also after the last stream has ended, is nothing of a user.
func TestLive_remembersNobody(t *testing.T) {
	st := newStack(t).stock(1).refresh()
	sub := st.s.hub.subscribe()
	p := newPoller(st.s.hub)
	st.recent(schema.Event{UserID: "anna", ItemID: "i000", Type: "view", Timestamp: st.clock()}, 1)
	p.poll(t.Context())
	st.s.hub.unsubscribe(sub)
	if len(p.recent) != 1 {
		t.Errorf("%d entries are known, want 1", len(p.recent))
	}
	if all := fmt.Sprintf("%+v %+v %+v", p.recent, p.rounds, p.prequential); strings.Contains(all, "anna") {
		t.Errorf("it remembers %s", all)
	}
}
