package page_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/page"
)

// entry is one interaction as /v1/users/{id} and the stream show it.
type entry struct {
	EventID          string    `json:"event_id"`
	UserID           string    `json:"user_id,omitempty"`
	ItemID           string    `json:"item_id"`
	Type             string    `json:"type"`
	Timestamp        time.Time `json:"timestamp"`
	Partition        int       `json:"partition"`
	Offset           int64     `json:"offset"`
	Title            string    `json:"title,omitempty"`
	RecommendationID string    `json:"recommendation_id,omitempty"`
}

// fake is the API of serve over canned data: windows really change with a click, and lists with the window.
type fake struct {
	mux *http.ServeMux

	mu       sync.Mutex
	blank    bool   // nothing has happened yet
	degraded string // what /v1/stats says is missing
	away     bool   // every call under /v1 but the stream answers 503
	windows  map[string][]entry
	pending  []entry // accepted, not yet in a window
	posted   []entry
	log      []entry // what happened, oldest first
	offset   int64
	streams  int
	logged   map[string]int // answers that were impressions, by user
	cut      chan struct{}  // closed to end every open stream

	letters  []schema.DeadLetter
	replayed []int64 // offsets of letters
	setAside int     // further letters that ingest has counted; grows with each stats where it is above 0
	listed   []time.Time
	history  []string
	admin    string // the key that operating needs, "" for none
}

func newFake(blank bool) *fake {
	f := &fake{mux: http.NewServeMux(), blank: blank, windows: map[string][]entry{}, logged: map[string]int{}, cut: make(chan struct{}),
		letters: cannedLetters(), history: []string{version(6), version(5), version(4), version(2), version(1)}}
	f.mux.Handle("/", page.Handler())
	f.mux.HandleFunc("GET /v1/live", f.live)
	f.mux.HandleFunc("GET /v1/models", f.models)
	f.mux.HandleFunc("GET /v1/attribution", f.attribution)
	f.mux.HandleFunc("GET /v1/users", f.users)
	f.mux.HandleFunc("GET /v1/users/{id}", f.user)
	f.mux.HandleFunc("GET /v1/items", f.items)
	f.mux.HandleFunc("GET /v1/recommend/{user}", f.recommend)
	f.mux.HandleFunc("POST /v1/events", f.events)
	f.mux.HandleFunc("GET /v1/deadletters", f.listLetters)
	f.mux.HandleFunc("POST /v1/deadletters/replay", f.replay)
	f.mux.HandleFunc("POST /v1/models/rollback", f.rollback)
	if !blank {
		for i := range 60 {
			f.happen(i)
		}
	}
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	away := f.away
	f.mu.Unlock()
	if away && strings.HasPrefix(r.URL.Path, "/v1/") && r.URL.Path != "/v1/live" {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"title":"Service Unavailable","status":503,"detail":"Redis is away"}`))
		return
	}
	f.mux.ServeHTTP(w, r)
}

// happen lets the i-th interaction of the canned stream into its user's window. Callers hold mu or own f.
func (f *fake) happen(i int) {
	f.offset++
	it := titles[(i*i+3*i)%len(titles)]
	e := entry{
		EventID: fmt.Sprintf("e%d", f.offset), UserID: cannedUsers[i*5%len(cannedUsers)], ItemID: it[0], Title: it[1], Type: "purchase",
		Timestamp: start.Add(time.Duration(i) * 7 * time.Second), Partition: i % 4, Offset: f.offset,
	}
	f.enter(e)
}

// enter puts an interaction into its window and on the stream.
func (f *fake) enter(e entry) {
	f.windows[e.UserID] = append(f.windows[e.UserID], e)
	f.log = append(f.log, e)
}

func (f *fake) stats() map[string]any {
	ingest := map[string]any{"instances": []any{}, "events": 0, "duplicates": 0, "late": 0, "dead_letters": 0, "rate": 0, "lag": 0}
	s := map[string]any{
		"at": start, "ingest": ingest, "model": nil, "catalogue": map[string]any{"items": 0, "version": 0}, "degraded": f.degraded,
		"serve": map[string]any{"requests": 1024, "failed": 0, "rate": 12.4, "p50_ms": 1.3, "p99_ms": 6.04, "cache_hits": 300, "cache_misses": 724, "swaps": 5},
	}
	if f.blank {
		return s
	}
	wave := math.Sin(float64(f.offset) / 3)
	ingest["events"], ingest["duplicates"], ingest["late"], ingest["dead_letters"] = 124310+f.offset, 12, 3, len(f.letters)+f.setAside
	if f.setAside > 0 {
		f.setAside++
	}
	parts := []schema.PartitionLag{}
	for p := range 4 {
		parts = append(parts, schema.PartitionLag{Partition: p, Lag: int64(p * p)})
	}
	ingest["instances"] = []schema.IngestStatus{{Instance: "ingest", Partitions: parts}}
	ingest["rate"], ingest["lag"] = 790+60*wave, int64(4+4*wave)
	s["catalogue"] = map[string]any{"items": 3659, "version": 3659}
	s["model"] = map[string]any{"version": version(6), "round": 6, "learner": "sequence", "age_seconds": 41.2 + float64(f.offset)/5, "metrics": map[string]any{"hr10": 0.17}}
	return s
}

// live sends the full picture, then a few events and the stats every 200 ms.
func (f *fake) live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	fmt.Fprint(w, "retry: 300\n\n") // serve leaves this to the browser (3 s); a test need not wait that long
	send := func(kind string, v any) {
		b, err := json.Marshal(v)
		if err != nil {
			return // a canned value that does not encode shows as a missing section
		}
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, b)
		_ = out.Flush()
	}
	f.mu.Lock()
	f.streams++
	cut, blank, stats := f.cut, f.blank, f.stats()
	newest := f.log[max(0, len(f.log)-50):]
	sent := len(f.log)
	f.mu.Unlock()
	send("stats", stats)
	if !blank {
		send("prequential", cannedPrequential())
		send("rounds", cannedRounds())
		send("events", newest)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for i := 60; ; i++ {
		select {
		case <-r.Context().Done():
			return
		case <-cut:
			return
		case <-tick.C:
		}
		f.mu.Lock()
		if !blank {
			f.happen(i * 2)
			f.happen(i*2 + 1)
		}
		more := f.log[sent:]
		sent = len(f.log)
		stats := f.stats()
		f.mu.Unlock()
		if len(more) > 0 {
			send("events", more)
		}
		send("stats", stats)
	}
}

func (f *fake) models(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blank {
		write(w, map[string]any{"current": "", "loaded": "", "history": []string{}, "manifests": []any{}, "degraded": ""})
		return
	}
	write(w, map[string]any{"current": f.history[0], "loaded": f.history[0], "history": f.history, "manifests": cannedManifests(), "degraded": ""})
}

func (f *fake) users(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []map[string]any{}
	for _, u := range cannedUsers {
		if win := f.windows[u]; len(win) > 0 {
			last := win[len(win)-1]
			out = append(out, map[string]any{"user_id": u, "events": len(win), "last": last.Timestamp, "last_item": last.ItemID, "last_title": last.Title})
		}
	}
	write(w, map[string]any{"users": out})
}

func (f *fake) user(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := r.PathValue("id")
	write(w, map[string]any{"user_id": id, "version": len(f.windows[id]), "offsets": map[string]int64{}, "entries": append([]entry{}, f.windows[id]...)})
}

func (f *fake) items(w http.ResponseWriter, r *http.Request) {
	query := strings.ToLower(r.URL.Query().Get("query"))
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 20
	}
	found := []schema.Item{}
	f.mu.Lock()
	blank := f.blank
	f.mu.Unlock()
	for _, t := range titles {
		if !blank && strings.Contains(strings.ToLower(t[1]), query) {
			found = append(found, schema.Item{ID: t[0], Title: t[1]})
		}
	}
	write(w, map[string]any{"items": found[:min(limit, len(found))], "total": len(found)})
}

// recommend scores every item from the last entries of the window. An accepted click enters the window at the second look
// after it, as a real one takes a few milliseconds.
func (f *fake) recommend(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	user := r.PathValue("user")
	win := f.windows[user]
	if r.URL.Query().Get("log") != "false" {
		f.logged[user]++
	}
	answer := schema.Answer{RecommendationID: fmt.Sprintf("0191-%s-%d", user, len(win)), ModelVersion: version(6), WindowOffset: int64(len(win)), TookMS: 1.2, Text: schema.TextReady}
	if f.blank {
		answer.ModelVersion, answer.Text = "", ""
		write(w, answer)
		return
	}
	for i, t := range titles {
		it := scored(i, t, win)
		it.Why = []string{"is popular of late", fmt.Sprintf("%s <b>adds</b> %.3g", it.Source, it.Score)}
		answer.Items = append(answer.Items, it)
	}
	slices.SortStableFunc(answer.Items, func(a, b schema.AnswerItem) int { return cmp.Compare(b.Score, a.Score) })
	answer.Items = answer.Items[:10]
	write(w, answer)
	for _, e := range f.pending {
		f.enter(e)
	}
	f.pending = nil
}

func scored(i int, t [2]string, win []entry) schema.AnswerItem {
	parts := map[string]float64{"popular": 0.5 * math.Exp(-float64(i)/9)}
	it := schema.AnswerItem{ID: t[0], Title: t[1], Source: schema.SourcePopular, Parts: parts}
	for k, e := range slices.Backward(win) {
		back := len(win) - 1 - k
		if back > 2 {
			break
		}
		parts["model"] += 0.9 * math.Pow(0.7, float64(back)) * noise(e.ItemID, t[0], "s")
		parts["similar"] += 0.5 * math.Pow(0.6, float64(back)) * noise(e.ItemID, t[0], "t")
	}
	if len(win) > 1 && win[len(win)-2].ItemID == t[0] {
		parts["repeat"] = 0.8
	}
	parts["similar"] -= 0.05
	top := 0.0
	for _, source := range []schema.Source{schema.SourceRepeat, schema.SourceModel, schema.SourceSimilar, schema.SourcePopular} {
		v := parts[string(source)]
		it.Score += v
		if v > top {
			top, it.Source = v, source
		}
	}
	return it
}

// noise is a fixed value in [0, 1) for a pair, mostly small.
func noise(words ...string) float64 {
	h := fnv.New64a()
	h.Write([]byte(strings.Join(words, "\n")))
	return math.Pow(float64(h.Sum64()%9973)/9973, 2.5)
}

func (f *fake) events(w http.ResponseWriter, r *http.Request) {
	var e entry
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = append(f.posted, e)
	f.offset++
	e.Partition, e.Offset = 9, f.offset
	for _, t := range titles {
		if t[0] == e.ItemID {
			e.Title = t[1]
		}
	}
	f.pending = append(f.pending, e)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"accepted":1,"duplicates":0,"rejected":[]}`))
}

// operator refuses who does not show the admin key.
func (f *fake) operator(w http.ResponseWriter, r *http.Request) bool {
	if f.admin == "" || r.Header.Get("Authorization") == "Bearer "+f.admin {
		return true
	}
	refuse(w, http.StatusForbidden, "this key does not have the scope admin")
	return false
}

func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

func (f *fake) listLetters(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed = append(f.listed, time.Now())
	if f.operator(w, r) {
		all := f.letters
		if f.blank {
			all = []schema.DeadLetter{}
		}
		write(w, map[string]any{"letters": all})
	}
}

func (f *fake) replay(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.operator(w, r) {
		return
	}
	var body struct {
		Partition int
		Offset    int64
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	f.replayed = append(f.replayed, body.Offset)
	write(w, map[string]any{"partition": body.Partition, "offset": body.Offset, "topic": schema.TopicInteractions})
}

func (f *fake) rollback(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.operator(w, r) {
		return
	}
	var body struct{ From string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.From != f.history[0] {
		refuse(w, http.StatusConflict, "another version is live")
		return
	}
	f.history = f.history[1:]
	write(w, map[string]any{"before": body.From, "live": f.history[0]})
}

// cannedLetters are three, newest first: text that would be a page, bytes that are no text, and one that was cut.
func cannedLetters() []schema.DeadLetter {
	letter := func(offset int64, reason, value string) schema.DeadLetter {
		return schema.DeadLetter{Offset: offset, At: start.Add(time.Duration(offset) * time.Minute), Reason: reason, Topic: schema.TopicInteractions, From: 1, FromOffset: 40 * offset,
			Key: []byte("17850"), KeyBytes: 5, Value: []byte(value), ValueBytes: len(value), Replayable: true}
	}
	cut := letter(5, `event: item_id "": is required`, strings.Repeat(`{"user_id":"17850"}`, 200))
	cut.ValueBytes, cut.Replayable = 1<<20, false
	return []schema.DeadLetter{letter(7, "event is not a JSON object: <b>no</b>", hostile), letter(6, "event is not a JSON object", "\x00\x01magic\xff\u202eevil"), cut}
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that went away needs no answer
}
