package client_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/softrec/softrec/serve/client"
)

// What an operator asks for goes to its path with its body, and comes back whole.
func TestOperate_asksAndReads(t *testing.T) {
	answers := map[string]string{
		"GET /v1/attribution ": `{"experiment":[{"name":"control","share":0.5,"model":"live","ranking":"model","shadow":false,"answers_with":"v2"}],
			"arms":[{"arm":"control","model_version":"v2","answers":4,"clicked":1,"ctr":{"rate":0.25,"low":0.05,"high":0.7,"of":4},"ndcg10":0.5}],
			"sources":[{"arm":"control","source":"model","shown":40,"ctr":{"rate":0.1,"of":40}}]}`,
		`POST /v1/models/rollback {"from":"v2"}`:                 `{"before":"v2","live":"v1"}`,
		"GET /v1/deadletters?limit=3 ":                           `{"letters":[{"partition":1,"offset":7,"topic":"t","reason":"no JSON","value":"AP8=","value_bytes":2,"replayable":true}]}`,
		`POST /v1/deadletters/replay {"offset":7,"partition":1}`: `{"partition":1,"offset":7,"topic":"t"}`,
	}
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked := r.Method + " " + r.URL.RequestURI() + " " + string(body)
		answer, ok := answers[asked]
		if !ok {
			t.Errorf("asked %q", asked)
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, answer)
	}))
	a, err := c.Attribution(t.Context())
	if err != nil || len(a.Experiment) != 1 || a.Experiment[0].Answers != "v2" || len(a.Arms) != 1 || a.Arms[0].Clicked != 1 || a.Arms[0].CTR.High != 0.7 ||
		len(a.Sources) != 1 || a.Sources[0].Shown != 40 || a.Sources[0].CTR.Of != 40 {
		t.Errorf("attribution %+v, %v", a, err)
	}
	if r, err := c.Rollback(t.Context(), "v2"); err != nil || r.Before != "v2" || r.Live != "v1" {
		t.Errorf("rolled back %+v, %v", r, err)
	}
	all, err := c.DeadLetters(t.Context(), 3)
	if err != nil || len(all) != 1 || string(all[0].Value) != "\x00\xff" || !all[0].Replayable {
		t.Fatalf("letters %+v, %v", all, err)
	}
	if topic, err := c.ReplayDeadLetter(t.Context(), all[0].Partition, all[0].Offset); err != nil || topic != "t" {
		t.Errorf("sent to %q, %v", topic, err)
	}
}

// A refusal is not tried again: the model moved on, or the letter cannot be sent.
func TestOperate_refusals(t *testing.T) {
	s := &script{answers: []answer{{status: 409, body: `{"title":"Conflict","detail":"v3 is live"}`}}}
	c := newClient(t, s)
	var said *client.Error
	if _, err := c.Rollback(t.Context(), "v2"); !errors.As(err, &said) || said.Status != 409 {
		t.Errorf("rollback: %v", err)
	}
	if _, err := c.ReplayDeadLetter(t.Context(), 0, 1); !errors.As(err, &said) || said.Status != 409 || len(s.bodies) != 2 {
		t.Errorf("replay: %v after %d tries in all", err, len(s.bodies))
	}
}
