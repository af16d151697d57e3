package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

// drawer holds dead letters, newest first.
type drawer struct {
	mu       sync.Mutex
	letters  []schema.DeadLetter
	of       []schema.LetterSubject // of each of letters; nothing where it is shorter
	replayed []int64
	err      error
}

func newDrawer() *drawer {
	bad := schema.DeadLetter{Partition: 0, Offset: 7, At: testStart, Reason: "event is not a JSON object", Topic: schema.TopicInteractions, From: 2, FromOffset: 41,
		Key: []byte("u"), Value: []byte("<script>\x00\xff"), KeyBytes: 1, ValueBytes: 10, Replayable: true}
	long := bad
	long.Offset, long.Replayable = 6, false
	return &drawer{letters: []schema.DeadLetter{bad, long}}
}

func (d *drawer) Newest(_ context.Context, n int) ([]schema.DeadLetter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.letters[:min(n, len(d.letters))], d.err
}

func (d *drawer) Replay(ctx context.Context, partition int, offset int64, may func(context.Context, schema.DeadLetter, schema.LetterSubject) error) (schema.DeadLetter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return schema.DeadLetter{}, d.err
	}
	for i, l := range d.letters {
		if l.Partition == partition && l.Offset == offset {
			if !l.Replayable {
				return l, fmt.Errorf("replay: %w: only its first bytes were kept", schema.ErrNotReplayable)
			}
			var of schema.LetterSubject
			if i < len(d.of) {
				of = d.of[i]
			}
			if err := may(ctx, l, of); err != nil {
				return schema.DeadLetter{}, fmt.Errorf("replay: %w", err)
			}
			d.replayed = append(d.replayed, offset)
			return l, nil
		}
	}
	return schema.DeadLetter{}, fmt.Errorf("replay: %w", schema.ErrNoDeadLetter)
}

func withLetters(d *drawer) func(*Config, *Deps) {
	return func(_ *Config, deps *Deps) { deps.Letters = d }
}

func TestLetters_listAndReplay(t *testing.T) {
	d := newDrawer()
	st := newStack(t, withLetters(d))
	all := into[LetterList](t, st.do("GET", "/v1/deadletters", ""), 200).Letters
	if len(all) != 2 || all[0].Offset != 7 || string(all[0].Value) != "<script>\x00\xff" || all[0].FromOffset != 41 {
		t.Errorf("letters %+v", all)
	}
	if all = into[LetterList](t, st.do("GET", "/v1/deadletters?limit=1", ""), 200).Letters; len(all) != 1 {
		t.Errorf("%d letters, want 1", len(all))
	}
	if r := into[Replayed](t, st.do("POST", "/v1/deadletters/replay", `{"partition":0,"offset":7}`), 200); r.Topic != schema.TopicInteractions || r.Offset != 7 {
		t.Errorf("replayed %+v", r)
	}
	for _, c := range []struct {
		body string
		code int
		says string
	}{
		{`{"partition":0,"offset":6}`, 409, "first bytes"}, {`{"partition":0,"offset":99}`, 404, "no dead letter"}, {`{"partition":0}`, 422, "offset"},
		{`{"partition":-1,"offset":7}`, 422, "partition"}, {`{"partition":0,"offset":7,"topic":"x"}`, 400, "topic"}, {`[]`, 400, ""}, {``, 422, ""},
	} {
		if r := st.do("POST", "/v1/deadletters/replay", c.body); r.Code != c.code && !(c.body == "" || c.body == "[]") || r.Code < 400 || !strings.Contains(string(r.Body), c.says) {
			t.Errorf("%s: %d %s, want %d and %q", c.body, r.Code, r.Body, c.code, c.says)
		}
	}
	if len(d.replayed) != 1 {
		t.Errorf("%v were replayed, want the one that can be", d.replayed)
	}
	d.err = errors.New("no broker answers")
	for _, r := range []reply{st.do("GET", "/v1/deadletters", ""), st.do("POST", "/v1/deadletters/replay", `{"partition":0,"offset":7}`)} {
		if r.Code != 503 || r.Header.Get("Retry-After") == "" || strings.Contains(string(r.Body), "broker answers") {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	}
	if r := newStack(t).do("GET", "/v1/deadletters", ""); r.Code != 404 {
		t.Errorf("without letters: status %d", r.Code)
	}
}

// A record from before a deletion stays where it is: behind the tombstone it would give the user a window again, or bring the item back.
func TestLetters_theForgottenStayForgotten(t *testing.T) {
	later := testStart.Add(time.Hour)
	of := func(users ...string) schema.LetterSubject { return schema.LetterSubject{Users: users} }
	letters := []struct {
		about string
		at    time.Time
		of    schema.LetterSubject
		code  int
	}{
		{"of the user", testStart, of("u"), 422},
		{"of the user and another one", testStart, of("other", "u"), 422},
		{"of somebody else", testStart, of("other"), 200},
		{"of a time after", later, of("u"), 200},
		{"of nobody", testStart, of("", "\x00"), 200},
		{"of a user whose window is not empty yet", later, of("slow"), 422},
		{"of an item that was withdrawn", testStart, schema.LetterSubject{Item: "i001"}, 422},
		{"of an item with the name of the user", testStart, schema.LetterSubject{Item: "u"}, 200},
		{"of a user with the name of the item", testStart, of("i001"), 200},
	}
	d := &drawer{}
	for i, l := range letters {
		d.letters = append(d.letters, schema.DeadLetter{Offset: int64(i), Replayable: true, Topic: schema.TopicInteractions, At: l.at})
		d.of = append(d.of, l.of)
	}
	st := newStack(t, withLetters(d), impatient).stock(3)
	st.advance(time.Minute)
	st.do("DELETE", "/v1/users/u", "")
	st.do("DELETE", "/v1/items/i001", "")
	st.bus.hold = true
	st.do("DELETE", "/v1/users/slow", "")
	for i, l := range letters {
		r := st.do("POST", "/v1/deadletters/replay", fmt.Sprintf(`{"partition":0,"offset":%d}`, i))
		if r.Code != l.code || l.code == 422 && !strings.Contains(string(r.Body), "receipt ") {
			t.Errorf("%s: %d %s, want %d", l.about, r.Code, r.Body, l.code)
		}
		if sent := slices.Contains(d.replayed, int64(i)); sent != (l.code == 200) {
			t.Errorf("%s: sent: %v", l.about, sent)
		}
	}
	st.mr.SetError("LOADING")
	if r := st.do("POST", "/v1/deadletters/replay", `{"partition":0,"offset":0}`); r.Code != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("without Redis: %d %s", r.Code, r.Body)
	}
}

func TestRollback_goesBackByOne(t *testing.T) {
	st := newStack(t).stock(5).model("v1", names(5)...).model("v2", names(5)...).model("v3", names(5)...)
	for _, body := range []string{`{}`, `{"from":"v9"}`, `{"from":"v2"}`, `{"from":"v3","to":"v1"}`, ``} {
		if r := st.do("POST", "/v1/models/rollback", body); r.Code < 400 || r.Code >= 500 {
			t.Errorf("%s: status %d", body, r.Code)
		}
	}
	if v := st.recommend("/v1/recommend/u").ModelVersion; v != "v3" {
		t.Fatalf("%s is live after requests that ask for nothing", v)
	}
	r := into[RolledBack](t, st.do("POST", "/v1/models/rollback", `{"from":"v3"}`), 200)
	if r.Before != "v3" || r.Live != "v2" {
		t.Errorf("rolled back %+v", r)
	}
	if v := st.recommend("/v1/recommend/u").ModelVersion; v != "v2" {
		t.Errorf("answers come from %s, want v2", v)
	}
	if r := st.do("POST", "/v1/models/rollback", `{"from":"v3"}`); r.Code != 409 || !strings.Contains(string(r.Body), "v2") { // the second click
		t.Errorf("twice: %d %s", r.Code, r.Body)
	}
	st.models.publishRaw("v1", map[string][]byte{"model.json": []byte("panic")}) // the snapshot was damaged
	st.models.mu.Lock()
	st.models.current, st.models.history = "v2", []string{"v2", "v1"}
	st.models.mu.Unlock()
	if r := st.do("POST", "/v1/models/rollback", `{"from":"v2"}`); r.Code != 409 || !strings.Contains(string(r.Body), "cannot be read") {
		t.Errorf("to a damaged one: %d %s", r.Code, r.Body)
	}
	st.models.mu.Lock()
	st.models.history = []string{"v2"}
	st.models.mu.Unlock()
	if r := st.do("POST", "/v1/models/rollback", `{"from":"v2"}`); r.Code != 409 || !strings.Contains(string(r.Body), "no model was live before") {
		t.Errorf("with nothing before: %d %s", r.Code, r.Body)
	}
	st.models.err = errors.New("redis is away")
	if r := st.do("POST", "/v1/models/rollback", `{"from":"v2"}`); r.Code != 503 {
		t.Errorf("without Redis: %d", r.Code)
	}
	st.models.mu.Lock()
	defer st.models.mu.Unlock()
	if st.models.current != "v2" {
		t.Errorf("%s is live", st.models.current)
	}
}

// Operating needs an admin key, and requests with a key are counted under their route.
func TestOperating_needsAnAdminKey(t *testing.T) {
	change, keys := keyed(t, eachScope()...)
	st := newStack(t, change, withLetters(newDrawer())).stock(3).model("v1", names(3)...).model("v2", names(3)...)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/deadletters", ""}, {"POST", "/v1/deadletters/replay", `{"partition":0,"offset":7}`}, {"POST", "/v1/models/rollback", `{"from":"v2"}`},
	} {
		for i, want := range []int{403, 403, 200} {
			if r := st.do(c.method, c.path, c.body, "Authorization", "Bearer "+keys[i]); r.Code != want {
				t.Errorf("%s %s with %s: %d, want %d", c.method, c.path, []string{"reader", "writer", "chief"}[i], r.Code, want)
			}
		}
		if r := st.do(c.method, c.path, c.body); r.Code != 401 {
			t.Errorf("%s %s without a key: %d", c.method, c.path, r.Code)
		}
	}
	st.wantMetric(`softrec_serve_request_seconds_count{code="2xx",route="POST /v1/models/rollback"} 1`, "Authorization", "Bearer "+keys[2])
	if log := st.logs.String(); !strings.Contains(log, "model rolled back") || !strings.Contains(log, "by=chief") {
		t.Errorf("the log does not say who rolled back:\n%s", log)
	}
}
