package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/time/rate"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
)

// sinkhole keeps what is logged.
type sinkhole struct {
	mu   sync.Mutex
	all  []schema.Impression
	fail bool
}

func (s *sinkhole) Publish(_ context.Context, all []schema.Impression) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail {
		return errors.New("no broker answers")
	}
	for _, im := range all {
		if err := im.Validate(); err != nil {
			return err
		}
	}
	s.all = append(s.all, all...)
	return nil
}

func (s *sinkhole) seen() []schema.Impression {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// totalsOf are canned totals.
type totalsOf struct {
	all schema.Attribution
	err error
}

func (t totalsOf) Totals(context.Context) (schema.Attribution, error) { return t.all, t.err }

func armsFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "arms.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withArms is a server with arms whose impressions go to sink, and their loops at work.
func withArms(t testing.TB, text string, change ...func(*Config, *Deps)) (*stack, *sinkhole) {
	t.Helper()
	sink := &sinkhole{}
	file := armsFile(t, text)
	st := newStack(t, append([]func(*Config, *Deps){func(c *Config, d *Deps) { c.Arms, d.Impressions, c.Impressions.Rate = file, sink, 1e6 }}, change...)...).stock(20)
	st.logging()
	return st, sink
}

// logging runs what writes impressions and computes shadows until the test ends.
func (st *stack) logging() {
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { st.s.impressions.run(ctx) })
	group.Go(func() { st.s.shadows.run(ctx) })
	st.t.Cleanup(func() { stop(); group.Wait() })
}

const threeArms = `{"salt":"s","arms":[{"name":"pinned","share":0.3,"model":"v1"},{"name":"ruled","share":0.3,"rules":{"categories":["even"]}},{"name":"popular","share":0.2,"ranking":"popular"}]}`

// Every user has one arm, the shares add up, each arm answers with its own model, ranking and rules, and the impressions say so.
func TestArms_usersKeepTheirArm(t *testing.T) {
	st, sink := withArms(t, threeArms)
	st.model("v1", names(20)...).model("v2", names(20)...)
	const users = 400
	count := map[string]int{}
	for i := range users {
		user := fmt.Sprintf("u%d", i)
		a := st.recommend("/v1/recommend/" + user)
		again := st.recommend("/v1/recommend/" + user + "?n=10")
		if a.Arm == "" || again.Arm != a.Arm || !slices.Equal(ids(a), ids(again)) {
			t.Fatalf("%s has arm %q and then %q", user, a.Arm, again.Arm)
		}
		count[a.Arm]++
		want := map[string]string{"pinned": "v1", "ruled": "v2", "popular": "v2+popular", schema.DefaultArm: "v2"}[a.Arm]
		if a.ModelVersion != want {
			t.Errorf("arm %s answers with %q, want %q", a.Arm, a.ModelVersion, want)
		}
		for _, it := range a.Items {
			if n := int(it.ID[len(it.ID)-1] - '0'); a.Arm == "ruled" && n%2 != 0 {
				t.Errorf("arm ruled shows %s", it.ID)
			}
			if a.Arm == "popular" && it.Source != schema.SourcePopular {
				t.Errorf("arm popular shows %s by %s", it.ID, it.Source)
			}
		}
	}
	for arm, share := range map[string]float64{"pinned": 0.3, "ruled": 0.3, "popular": 0.2, schema.DefaultArm: 0.2} {
		if got := float64(count[arm]) / users; math.Abs(got-share) > 4*math.Sqrt(share*(1-share)/users) {
			t.Errorf("arm %s has a share of %.3f, want %g", arm, got, share)
		}
	}
	eventually(t, "every answer is logged", func() bool { return len(sink.seen()) == 2*users })
	for _, im := range sink.seen() {
		if a := st.recommend("/v1/recommend/" + im.UserID); a.Arm != im.Arm || a.ModelVersion != im.ModelVersion || im.List != schema.ListUser || len(im.Items) != len(a.Items) || im.Items[0].ID != a.Items[0].ID {
			t.Fatalf("logged %+v, answered %+v", im, a)
		}
	}
	// Batches and the aliases know the same arms.
	batch := into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u0","u1","u2","u3","u4","u5"]}`), 200)
	for _, r := range batch.Results {
		if one := st.recommend("/v1/recommend/" + r.User); r.Answer == nil || one.Arm != r.Answer.Arm || !slices.Equal(ids(one), ids(*r.Answer)) {
			t.Errorf("batch: %+v, alone: %+v", r.Answer, one)
		}
	}
	if a := st.recommend("/v1/popular"); a.Arm != "" {
		t.Errorf("a list of nobody has arm %q", a.Arm)
	}
}

// An arm whose model cannot be read is answered by the live model, says so, and is itself again when the model is there.
func TestArms_fallBackToTheLiveModel(t *testing.T) {
	st, _ := withArms(t, `{"arms":[{"name":"old","share":1,"model":"v9"}]}`)
	st.model("v1", names(20)...)
	a := st.recommend("/v1/recommend/u")
	if a.Arm != "old" || a.ModelVersion != "v1" || !strings.Contains(a.Degraded, "v9") {
		t.Errorf("%+v", a)
	}
	if r := st.do("GET", "/v1/recommend/u", ""); r.Header.Get("ETag") != "" {
		t.Error("an answer that is less than it should be has a tag")
	}
	if got := st.s.fallenBack(); got != 1 {
		t.Errorf("%d arms have fallen back", got)
	}
	st.models.publish("v9", &fakeRanker{Salt: "v9", Vocab: names(20)})
	st.models.publish("v1", &fakeRanker{Salt: "v1", Vocab: names(20)})
	st.advance(time.Minute)
	st.refresh()
	if a = st.recommend("/v1/recommend/u"); a.ModelVersion != "v9" || a.Degraded != "" || st.s.fallenBack() != 0 {
		t.Errorf("%+v", a)
	}
}

func TestArms_lookingAtAnArm(t *testing.T) {
	st, sink := withArms(t, threeArms)
	st.model("v1", names(20)...)
	for _, arm := range []string{"pinned", "ruled", "popular", "live"} {
		if a := st.recommend("/v1/recommend/u?arm=" + arm); a.Arm != arm {
			t.Errorf("asked for %s, got %s", arm, a.Arm)
		}
	}
	if r := st.do("GET", "/v1/recommend/u?arm=none", ""); r.Code != 422 {
		t.Errorf("an arm that is not there: %d", r.Code)
	}
	st.recommend("/v1/recommend/u")
	eventually(t, "the answer that nobody looked at an arm for is logged", func() bool { return len(sink.seen()) == 1 })
	if r := newStack(t).do("GET", "/v1/recommend/u?arm=live", ""); r.Code != 422 {
		t.Errorf("without arms: %d", r.Code)
	}
}

func TestArms_lookingNeedsAnAdminKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	var texts []string
	var all access.File
	for _, scope := range []access.Scope{access.Read, access.Admin} {
		k, text, err := access.NewKey(access.Key{Name: string(scope), Scopes: []access.Scope{scope}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		all.Keys, texts = append(all.Keys, k), append(texts, text)
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	st, _ := withArms(t, threeArms, func(c *Config, _ *Deps) { c.Access.KeysFile = file })
	for path, want := range map[string]int{"/v1/recommend/u": 200, "/v1/recommend/u?arm=ruled": 403, "/v1/recommend/u?%61rm=ruled": 403} {
		if r := st.do("GET", path, "", "X-API-Key", texts[0]); r.Code != want {
			t.Errorf("%s with a reader's key: %d, want %d", path, r.Code, want)
		}
	}
	if r := st.do("GET", "/v1/recommend/u?arm=ruled", "", "X-API-Key", texts[1]); r.Code != 200 {
		t.Errorf("with an admin's key: %d", r.Code)
	}
}

// A shadow's list is computed beside the answer, under the same id, and is what the arm would have shown.
func TestArms_shadows(t *testing.T) {
	st, sink := withArms(t, `{"arms":[],"shadows":[{"name":"next","share":1,"model":"v2"},{"name":"even","share":1,"rules":{"categories":["even"]}},{"name":"gone","share":1,"model":"v7"},{"name":"never","share":0}]}`)
	st.models.publish("v2", &fakeRanker{Salt: "v2", Vocab: names(20)})
	st.model("v1", names(20)...)
	a := st.recommend("/v1/recommend/u?n=5")
	eventually(t, "answer and shadows are logged", func() bool { return len(sink.seen()) == 3 })
	for _, im := range sink.seen() {
		if im.RecommendationID != a.RecommendationID || im.UserID != "u" || len(im.Items) != 5 {
			t.Errorf("%+v", im)
		}
		switch {
		case im.Arm == schema.DefaultArm && !im.Shadow && im.ModelVersion == "v1":
		case im.Arm == "next" && im.Shadow && im.ModelVersion == "v2":
		case im.Arm == "even" && im.Shadow && im.ModelVersion == "v1":
			for _, it := range im.Items {
				if (it.ID[len(it.ID)-1]-'0')%2 != 0 {
					t.Errorf("shadow even shows %s", it.ID)
				}
			}
		default:
			t.Errorf("%+v", im)
		}
	}
	if got := testutil.ToFloat64(st.s.metrics.shadows.WithLabelValues("fallback")); got != 1 {
		t.Errorf("%g shadows without a model of their own", got)
	}
}

// A shadow that never ends does not delay an answer: what finds no room goes without.
func TestArms_shadowsDelayNothing(t *testing.T) {
	st, _ := withArms(t, `{"arms":[],"shadows":[{"name":"next","share":1,"model":"v2"}]}`)
	held := make(chan struct{})
	slow := &fakeRanker{Salt: "v2", Vocab: names(20)}
	st.models.publish("v2", slow)
	st.model("v1", names(20)...)
	states := *st.s.arms.states.Load()
	for _, s := range states {
		s.live.Ranker.(*fakeRanker).delay = func() { <-held }
	}
	defer close(held)
	for i := range 3 * shadowQueue {
		st.recommend(fmt.Sprintf("/v1/recommend/u%d", i))
	}
	if got := testutil.ToFloat64(st.s.metrics.shadows.WithLabelValues("dropped")); got < shadowQueue {
		t.Errorf("%g lists dropped", got)
	}
}

func TestImpressions_boundsAndFaults(t *testing.T) {
	sink := &sinkhole{fail: true}
	st := newStack(t, func(c *Config, d *Deps) { d.Impressions, c.Impressions.Rate, c.Impressions.Queue = sink, 3, 2 }).stock(5)
	st.s.impressions.limiter = rate.NewLimiter(rate.Every(time.Hour), 3) // however long the answers take
	for range 5 {
		st.recommend("/v1/popular")
	}
	what := func(label string) float64 {
		return testutil.ToFloat64(st.s.metrics.impressions.WithLabelValues(label))
	}
	if what(impressionRate) != 2 || what(impressionQueue) != 1 {
		t.Errorf("%g over the rate, %g without room", what(impressionRate), what(impressionQueue))
	}
	st.logging()
	eventually(t, "what Kafka did not take is counted", func() bool { return what(impressionFailed) == 2 })
	quiet := newStack(t, func(c *Config, d *Deps) { d.Impressions, c.Impressions.Share = &sinkhole{}, 0 })
	quiet.recommend("/v1/popular")
	if len(quiet.s.impressions.queue) != 0 {
		t.Error("a share of 0 logs")
	}
}

// Looks and polls, lists of Gorse among them, are no impressions; the same questions without log=false are.
func TestImpressions_looksAreNone(t *testing.T) {
	st, sink := withArms(t, `{"arms":[{"name":"ruled","share":1,"rules":{"categories":["even"]}}],"shadows":[{"name":"pop","share":1,"ranking":"popular"}]}`)
	st.model("v1", names(20)...)
	ask := func(param string) {
		t.Helper()
		for _, path := range []string{"/v1/recommend/u?n=3&", "/v1/recommend/u?n=3&mmr_lambda=0.5&", "/v1/similar/i001?", "/v1/popular?", "/v1/popular?mmr_lambda=0.5&"} {
			if r := st.do("GET", path+param, ""); r.Code != 200 {
				t.Fatalf("%s%s: %d %s", path, param, r.Code, r.Body)
			}
		}
		for path, body := range map[string]string{"/v1/recommend/u": `{"n":3}`, "/v1/session/recommend": `{"items":["i001"]}`, "/v1/recommend:batch": `{"users":["u","v"]}`} {
			if r := st.do("POST", path+"?"+param, body); r.Code != 200 {
				t.Fatalf("%s?%s: %d %s", path, param, r.Code, r.Body)
			}
		}
	}
	ask("log=false")
	if r := st.do("GET", "/api/recommend/u?n=3", ""); r.Code != 200 {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	if r := st.do("GET", "/v1/recommend/u?log=perhaps", ""); r.Code != 422 {
		t.Errorf("log=perhaps: %d", r.Code)
	}
	ask("log=true")
	count := func() (shown, shadows int) {
		for _, im := range sink.seen() {
			if im.Shadow {
				shadows++
			} else {
				shown++
			}
		}
		return shown, shadows
	}
	eventually(t, "those that were to be logged are", func() bool { shown, shadows := count(); return shown >= 9 && shadows >= 5 })
	if shown, shadows := count(); shown != 9 || shadows != 5 {
		t.Errorf("%d answers and %d shadows are logged", shown, shadows)
	}
}

// An arm that derives its model from the live one changes with it, and not only when the arms are looked at again.
func TestArms_followTheLiveModel(t *testing.T) {
	st, _ := withArms(t, `{"arms":[{"name":"popular","share":1,"ranking":"popular"}]}`)
	st.model("v1", names(20)...)
	if a := st.recommend("/v1/recommend/u"); a.ModelVersion != "v1+popular" {
		t.Fatalf("%+v", a)
	}
	st.models.publish("v2", &fakeRanker{Salt: "v2", Vocab: names(20)})
	if err := st.s.models.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := st.recommend("/v1/recommend/u"); a.ModelVersion != "v2+popular" {
		t.Errorf("after the swap %s answers", a.ModelVersion)
	}
}

// An arm whose model is the live one keeps it when another goes live: it was answered by the next one until its own was read again.
func TestArms_keepTheModelThatWasLive(t *testing.T) {
	st, _ := withArms(t, `{"arms":[{"name":"first","share":1,"model":"v1"}]}`)
	st.model("v1", names(20)...)
	first := st.recommend("/v1/recommend/u")
	reads := st.models.reads
	st.models.publish("v2", &fakeRanker{Salt: "v2", Vocab: names(20)})
	st.models.mu.Lock()
	delete(st.models.files, "v1")
	st.models.mu.Unlock()
	if err := st.s.models.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := st.recommend("/v1/recommend/u")
	if a.ModelVersion != "v1" || a.Degraded != "" || !slices.Equal(ids(a), ids(first)) {
		t.Errorf("after the swap %+v, want the list of v1", a)
	}
	if v := st.s.Live().version(); v != "v2" || st.models.reads != reads+1 {
		t.Errorf("%s is live, read %d snapshots, want v2 alone", v, st.models.reads-reads)
	}
}

// A server that stops does not wait for all shadows of an answer, each of which may take seconds.
func TestArms_shadowsEndWithTheServer(t *testing.T) {
	st := newStack(t, func(c *Config, d *Deps) {
		c.Arms, d.Impressions = armsFile(t, `{"arms":[],"shadows":[{"name":"a","share":1,"rules":{"categories":["even"]}},{"name":"b","share":1,"rules":{"mmr_lambda":0.5}},{"name":"c","share":1,"model":"v1"}]}`), &sinkhole{}
	}).stock(20).model("v1", names(20)...)
	for range 3 {
		st.recommend("/v1/recommend/u")
	}
	ctx, stop := context.WithCancel(t.Context())
	ranked := 0
	st.s.Live().Ranker.(*fakeRanker).delay = func() { ranked++; stop() }
	st.s.shadows.run(ctx)
	if ranked != 1 {
		t.Errorf("%d lists were computed, want the one that was under way", ranked)
	}
}

// Nobody sees the answer to a HEAD, nor one whose client has left: they are no impressions.
func TestImpressions_whatNobodySeesIsNone(t *testing.T) {
	st := newStack(t, func(_ *Config, d *Deps) { d.Impressions = &sinkhole{} }).stock(20).model("v1", names(20)...)
	lists := []string{"/v1/recommend/u", "/v1/recommend/u?n=3", "/v1/recommend/u?mmr_lambda=0.5", "/v1/similar/i001", "/v1/popular"}
	waiting := func() int { return len(st.s.impressions.queue) }
	for _, path := range lists {
		if r := st.do("HEAD", path, ""); r.Code != 200 || waiting() != 0 {
			t.Errorf("HEAD %s: %d, %d are logged", path, r.Code, waiting())
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	send := func(ctx context.Context, method, path, body string) {
		st.s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
	}
	posts := map[string]string{"/v1/recommend/u": `{"n":3}`, "/v1/session/recommend": `{"items":["i001"]}`, "/v1/recommend:batch": `{"users":["u"]}`}
	for _, path := range lists {
		if send(gone, "GET", path, ""); waiting() != 0 {
			t.Errorf("GET %s of a client that has left: %d are logged", path, waiting())
		}
	}
	for path, body := range posts {
		if send(gone, "POST", path, body); waiting() != 0 {
			t.Errorf("POST %s of a client that has left: %d are logged", path, waiting())
		}
	}
	leaves, leave := context.WithCancel(t.Context())
	st.s.Live().Ranker.(*fakeRanker).delay = leave
	if send(leaves, "GET", "/v1/recommend/v", ""); waiting() != 0 {
		t.Errorf("of a client that leaves meanwhile: %d are logged", waiting())
	}
	for _, path := range lists {
		send(t.Context(), "GET", path, "")
	}
	for path, body := range posts {
		send(t.Context(), "POST", path, body)
	}
	if want := len(lists) + len(posts); waiting() != want {
		t.Errorf("%d answers are logged, want %d", waiting(), want)
	}
}

// Without arms an answer is what it was.
func TestArms_noneConfigured(t *testing.T) {
	st := newStack(t).stock(5)
	if r := st.do("GET", "/v1/recommend/u", ""); strings.Contains(string(r.Body), `"arm"`) {
		t.Errorf("%s", r.Body)
	}
}

func TestAttribution_report(t *testing.T) {
	all := schema.Attribution{
		Arms:    []schema.ArmTotals{{Arm: "live", ModelVersion: "v1", Answers: 10, Clicked: 5, Converted: 0, Scored: 4, Hits: 1, Gain: 0.5}},
		Sources: []schema.SourceTotals{{Arm: "live", ModelVersion: "v1", Source: schema.SourceModel, Shown: 100, Clicked: 5}},
	}
	st, _ := withArms(t, threeArms, func(_ *Config, d *Deps) { d.Attributions = totalsOf{all: all} })
	st.model("v1", names(20)...)
	got := into[AttributionReport](t, st.do("GET", "/v1/attribution", ""), 200)
	if len(got.Experiment) != 4 || got.Experiment[3].Name != schema.DefaultArm || math.Abs(got.Experiment[3].Share-0.2) > 1e-9 || got.Experiment[2].Answers != "v1+popular" {
		t.Errorf("%+v", got.Experiment)
	}
	a := got.Arms[0]
	if a.CTR.Rate != 0.5 || math.Abs(a.CTR.Low-0.2366) > 1e-3 || math.Abs(a.CTR.High-0.7634) > 1e-3 || a.HR10.Rate != 0.25 || a.NDCG10 != 0.125 || a.Conversion.High < 0.2 {
		t.Errorf("%+v", a)
	}
	if s := got.Sources[0]; s.CTR.Rate != 0.05 || s.CTR.Of != 100 {
		t.Errorf("%+v", s)
	}
	away := newStack(t, func(_ *Config, d *Deps) { d.Attributions = totalsOf{err: errors.New("LOADING")} })
	if r := away.do("GET", "/v1/attribution", ""); r.Code != 503 {
		t.Errorf("without Redis: %d", r.Code)
	}
}

func TestNew_armsThatCannotBeUsed(t *testing.T) {
	cfg, deps := newStack(t).s.cfg, newStack(t).s.deps
	for text, want := range map[string]string{
		`{"arms":[{"name":"a","share":2}]}`:                                "arms[0].share 2: want 0 to 1",
		`{"arms":[{"name":"a","share":0.5,"rules":{"filter":"price <"}}]}`: "arms[0].rules",
	} {
		cfg.Arms = armsFile(t, text)
		if _, err := New(cfg, deps); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "serve.arms") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	cfg.Arms = filepath.Join(t.TempDir(), "none.json")
	if _, err := New(cfg, deps); err == nil {
		t.Error("a file that is not there")
	}
}
