package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/client"
)

// script is a server that gives the answers of a list, the last one for ever, and keeps what it was sent.
type script struct {
	mu      sync.Mutex
	answers []answer
	bodies  []string
	heads   []http.Header
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.bodies, s.heads = append(s.bodies, string(body)), append(s.heads, r.Header)
	a := s.answers[min(len(s.bodies), len(s.answers))-1]
	s.mu.Unlock()
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func newClient(t *testing.T, s http.Handler, opts ...client.Option) *client.Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL+"/", append([]client.Option{client.WithHTTPClient(server.Client()), client.WithFirstGap(time.Microsecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const taken = `{"accepted":1,"duplicates":0,"rejected":[]}`

func TestSend_busyIsTriedAgainWithTheSameEvent(t *testing.T) {
	s := &script{answers: []answer{{status: 503, body: "no"}, {status: 429, header: http.Header{"Retry-After": {"0"}}}, {status: 202, body: taken}}}
	got, err := newClient(t, s, client.WithKey("secret")).Send(t.Context(), schema.Event{UserID: "u", ItemID: "i", Type: "view", Timestamp: time.Now()})
	if err != nil || got.Accepted != 1 {
		t.Fatal(got, err)
	}
	if len(s.bodies) != 3 || s.bodies[0] != s.bodies[1] || s.bodies[1] != s.bodies[2] || !strings.Contains(s.bodies[0], `"event_id":"`) {
		t.Errorf("bodies %q: want three that are equal, with an event id", s.bodies)
	}
	if s.heads[0].Get("Authorization") != "Bearer secret" {
		t.Error("the key was not sent")
	}
}

func TestDo_faultsAreNotTriedAgain(t *testing.T) {
	s := &script{answers: []answer{{status: 422, body: `{"title":"Unprocessable Entity","detail":"none of 1 events can be used","errors":[{"location":"body[0].user_id","message":"is required","value":""}]}`}}}
	_, err := newClient(t, s).Send(t.Context(), schema.Event{})
	var said *client.Error
	if !errors.As(err, &said) || said.Status != 422 || said.Faults[0].Location != "body[0].user_id" || len(s.bodies) != 1 {
		t.Errorf("%v after %d tries", err, len(s.bodies))
	}
	if !strings.Contains(err.Error(), `body[0].user_id "": is required`) {
		t.Errorf("%v: want the field and the value", err)
	}
}

func TestDo_givesUp(t *testing.T) {
	s := &script{answers: []answer{{status: 503, body: "no"}}}
	if _, err := newClient(t, s, client.WithTries(3)).Popular(t.Context(), client.Want{}); err == nil || len(s.bodies) != 3 {
		t.Errorf("%v after %d tries", err, len(s.bodies))
	}
	s = &script{answers: []answer{{status: 503, header: http.Header{"Retry-After": {"3600"}}}}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // the wait for an hour must end with the context
		for {
			s.mu.Lock()
			n := len(s.bodies)
			s.mu.Unlock()
			if n > 0 {
				cancel()
				return
			}
		}
	}()
	if _, err := newClient(t, s).Popular(ctx, client.Want{}); err == nil {
		t.Error("no error although the context ended")
	}
}

func TestList_checksAnswers(t *testing.T) {
	for _, body := range []string{``, `{`, `{"recommendation_id":"r","items":[{"id":"a","source":"model"},{"id":"a","source":"model"}]}`} {
		s := &script{answers: []answer{{status: 200, body: body}}}
		if _, err := newClient(t, s).Recommend(t.Context(), "u", client.Want{}); err == nil {
			t.Errorf("answer %q passes", body)
		}
	}
}

func TestNew_refusesAddresses(t *testing.T) {
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "::"} {
		if _, err := client.New(base); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", base)) {
			t.Errorf("%q: %v", base, err)
		}
	}
	if _, err := client.New("http://x", client.WithTries(0)); err == nil {
		t.Error("no tries")
	}
}

func TestPaths_areEscaped(t *testing.T) {
	var path string
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath() + "?" + r.URL.RawQuery
		_, _ = io.WriteString(w, `{"recommendation_id":"r","items":[]}`)
	}))
	if _, err := c.Recommend(t.Context(), "a/b ?", client.Want{N: 3, Exclude: []string{"x,y"}, FilterSeen: true}); err != nil {
		t.Fatal(err)
	}
	if path != "/v1/recommend/a%2Fb%20%3F?exclude=x%2Cy&filter_seen=true&n=3" {
		t.Errorf("asked %s", path)
	}
	if _, err := c.Session(t.Context(), []string{"a"}, client.Want{N: 3, More: url.Values{"log": {"false"}}}); err != nil {
		t.Fatal(err)
	}
	if path != "/v1/session/recommend?log=false" {
		t.Errorf("asked %s", path)
	}
}

// Send a click, then ask what comes next: the answer follows the click.
func ExampleClient() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // stands for softrec
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, taken)
			return
		}
		_, _ = io.WriteString(w, `{"recommendation_id":"r","model_version":"v","window_offset":1,"items":[{"id":"22423","score":1.5,"source":"similar"}]}`)
	}))
	defer server.Close()

	softrec, err := client.New(server.URL) // "http://localhost:8080"
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := softrec.Send(ctx, schema.Event{UserID: "u1", ItemID: "85123A", Type: "view", Timestamp: time.Now()}); err != nil {
		log.Fatal(err)
	}
	answer, err := softrec.Recommend(ctx, "u1", client.Want{N: 5})
	if err != nil {
		log.Fatal(err)
	}
	for _, item := range answer.Items {
		fmt.Println(item.ID, item.Source)
	}
	// Output: 22423 similar
}

// Ids that an address would take for "here" and "up" are refused before anything is sent: DELETE /v1/users/.. must not become DELETE /v1.
func TestClient_idsThatClimbAreRefused(t *testing.T) {
	s := &script{answers: []answer{{status: 200, body: taken}}}
	c := newClient(t, s)
	for _, id := range []string{".", ".."} {
		if _, err := c.ForgetUser(t.Context(), id); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("an id %q cannot be named", id)) {
			t.Errorf("deleting user %q: %v, want a refusal", id, err)
		}
	}
	if len(s.bodies) != 0 {
		t.Errorf("%d requests were sent", len(s.bodies))
	}
	if _, err := c.ForgetUser(t.Context(), "..."); err != nil {
		t.Errorf("deleting user %q: %v", "...", err)
	}
}
