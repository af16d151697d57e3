package serve

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// changing are the parts of an answer that no two answers share.
var changing = regexp.MustCompile(`"recommendation_id":"[^"]*"|"took_ms":[0-9.e-]+`)

// The quick way gives the API's answer, header by header and byte by byte, and leaves the rest to the API.
func TestQuick_isTheAPIsAnswer(t *testing.T) {
	st := newStack(t).stock(30).model("v1", names(30)...)
	st.click("u", "i003")
	slow, err := st.s.mount(st.s.routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/v1/recommend/u", "/v1/recommend/nobody", "/v1/recommend/u%2Fv", "/v1/recommend/%22", "/v1/recommend/u?n=3", "/v1/recommend/u?", "/v1/recommend/",
		"/v1/recommend/.", "/v1/recommend/..", "/v1/recommend/a/b", "/v1/recommend/%00", "/v1/recommend/" + strings.Repeat("x", 3000), "/v1/recommend/ü",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			want, got := httptest.NewRecorder(), httptest.NewRecorder()
			slow.ServeHTTP(want, httptest.NewRequest(method, path, nil))
			st.s.Handler().ServeHTTP(got, httptest.NewRequest(method, path, nil))
			a, b := changing.ReplaceAllString(want.Body.String(), ""), changing.ReplaceAllString(got.Body.String(), "")
			if want.Code != got.Code || a != b {
				t.Errorf("%s %.60s: %d %.300s, want %d %.300s", method, path, got.Code, b, want.Code, a)
			}
			for _, h := range []http.Header{want.Header(), got.Header()} {
				h.Del("Content-Length") // the quick way knows it
				h.Del("Link")
			}
			if !reflect.DeepEqual(want.Header(), got.Header()) {
				t.Errorf("%s %.60s: header %v, want %v", method, path, got.Header(), want.Header())
			}
		}
	}
	st.wantMetric(`softrec_serve_request_seconds_count{code="2xx",route="GET /v1/recommend/{user}"} 28`) // 14 either way
}

// counted counts how often it is asked for a list.
type counted struct {
	*fakeRanker
	asked *int
}

func (c counted) Popular(now time.Time, n int, allow func(string) bool) []ranker.Scored {
	*c.asked++
	return c.fakeRanker.Popular(now, n, allow)
}

// What goes wrong is the API's problem document, and the work is not done again for it.
func TestQuick_errorsAreTheAPIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "placements.json")
	if err := os.WriteFile(file, []byte(`{"default":{"categories":["even"],"mmr_lambda":0.5}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	st := newStack(t, func(c *Config, _ *Deps) { c.Placements = file }).stock(30).model("v1", names(30)...)
	asked := 0
	st.s.Live().Ranker = counted{st.s.Live().Ranker.(*fakeRanker), &asked}
	slow, err := st.s.mount(st.s.routes)
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second)) // the rules cannot be carried out any more
	defer cancel()
	want, got := httptest.NewRecorder(), httptest.NewRecorder()
	slow.ServeHTTP(want, httptest.NewRequestWithContext(over, "GET", "/v1/recommend/u", nil))
	if once := asked; once != 1 || want.Code != 503 {
		t.Fatalf("%d %s, asked %d times", want.Code, want.Body, once)
	}
	st.s.Handler().ServeHTTP(got, httptest.NewRequestWithContext(over, "GET", "/v1/recommend/u", nil))
	if asked != 2 {
		t.Errorf("the work was done %d times", asked-1)
	}
	want.Header().Del("Link")
	if got.Code != want.Code || got.Body.String() != want.Body.String() || !reflect.DeepEqual(got.Header(), want.Header()) {
		t.Errorf("%d %s %v, want %d %s %v", got.Code, got.Body, got.Header(), want.Code, want.Body, want.Header())
	}
	st.wantMetric(`softrec_serve_errors_total{route="GET /v1/recommend/{user}",status="503"} 2`)
}

// An error without a status is a 500, as the API has it.
func TestWriteError_others(t *testing.T) {
	w := httptest.NewRecorder()
	writeError(w, errors.New("no entropy"))
	checkProblem(t, reply{Code: w.Code, Header: w.Header(), Body: w.Body.Bytes()})
	if w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
}

func TestAppendAnswer_isWhatTheEncoderWrites(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "a", `q"uo\te`, "<b>&amp;</b>", "\u2028", "ünï", "bad\xffutf8", "tab\t", strings.Repeat("x", 100)}
	numbers := []float64{0, math.Copysign(0, -1), 1, -1.5, 1e-7, 1e-6, 123456.789, 1e21, 1e20, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1 + 0.2}
	text := func() string { return texts[rng.IntN(len(texts))] }
	number := func() float64 { return numbers[rng.IntN(len(numbers))] }
	for range 3000 {
		a := schema.Answer{RecommendationID: text(), ModelVersion: text(), Arm: text(), WindowOffset: rng.Int64N(1 << 40), TookMS: number(), Degraded: text(), Text: schema.TextState(text()), Items: []schema.AnswerItem{}}
		for range rng.IntN(4) {
			it := schema.AnswerItem{ID: text(), Title: text(), Score: number(), Source: schema.Source(text())}
			switch rng.IntN(12) {
			case 0:
				it.Parts = map[string]float64{"model": number()}
			case 1:
				it.Why = []string{text()}
			case 2:
				it.Propensity = number()
			}
			a.Items = append(a.Items, it)
		}
		switch rng.IntN(20) {
		case 0:
			a.Items = nil
		case 1:
			a.Next = text()
		}
		if got, want := string(appendAnswer(nil, &a)), string(appendEncoded(nil, &a)); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}

// A field that is new to an answer must be known to appendAnswer, or make plainAnswer false, before this number changes.
func TestAppendAnswer_knowsEveryField(t *testing.T) {
	if n := reflect.TypeFor[schema.Answer]().NumField(); n != 9 {
		t.Errorf("an answer has %d fields: see appendAnswer and plainAnswer", n)
	}
	if n := reflect.TypeFor[schema.AnswerItem]().NumField(); n != 7 {
		t.Errorf("an item of an answer has %d fields: see appendAnswer and plainAnswer", n)
	}
}

func TestAppendAnswer_allocatesNothing(t *testing.T) {
	a := schema.Answer{RecommendationID: "r", ModelVersion: "m", Items: []schema.AnswerItem{{ID: "i", Title: "a title", Score: 1.25, Source: "model"}}}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = appendAnswer(buf[:0], &a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
