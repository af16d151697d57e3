package serve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// roundTrips counts what a client sends, commands and pipelines alike.
type roundTrips struct{ n atomic.Int64 }

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { r.n.Add(1); return next(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { r.n.Add(1); return next(ctx, cmds) }
}

func TestBatch_isManyOfOne(t *testing.T) {
	st := shop(t, 60)
	var users []string
	for i := range 40 {
		user := fmt.Sprint("u", i)
		users = append(users, `"`+user+`"`)
		for j := range i % 4 {
			st.click(user, fmt.Sprintf("i%03d", (i+7*j)%60))
		}
	}
	trips := &roundTrips{}
	st.rdb.AddHook(trips)
	body := `{"users":[` + strings.Join(users, ",") + `],"filter":"in_stock","n":7,"requests":[{"user":"u1","n":3},{"user":"u2","pins":[{"item":"i055","position":1}]}]}`
	st.recommend("/v1/recommend/u1") // connects, and follows the catalogue and the numbers of items
	trips.n.Store(0)
	got := into[BatchResult](t, st.do("POST", "/v1/recommend:batch", body), 200)
	if len(got.Results) != 42 {
		t.Fatalf("%d results", len(got.Results))
	}
	if n := trips.n.Load(); n != 1 {
		t.Errorf("%d round trips, want 1", n)
	}
	seen := map[string]bool{}
	for i, r := range got.Results {
		path, own := fmt.Sprintf("/v1/recommend/u%d", i), `{"filter":"in_stock","n":7}`
		switch i {
		case 40:
			path, own = "/v1/recommend/u1", `{"n":3}`
		case 41:
			path, own = "/v1/recommend/u2", `{"pins":[{"item":"i055","position":1}]}`
		}
		alone := into[schema.Answer](t, st.do("POST", path, own), 200)
		if r.Answer == nil || r.Error != nil || !slices.Equal(ids(*r.Answer), ids(alone)) || r.Answer.WindowOffset != alone.WindowOffset || !strings.HasSuffix(path, "/"+r.User) {
			t.Fatalf("result %d: %+v, alone %v", i, r, ids(alone))
		}
		if seen[r.Answer.RecommendationID] {
			t.Error("two answers share an id")
		}
		seen[r.Answer.RecommendationID] = true
	}
}

func TestBatch_faultsStayWithTheirUser(t *testing.T) {
	st := shop(t, 20)
	got := into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u",""],"requests":[{"user":"v","filter":"("},{"user":"w","n":0},{"user":"x"}]}`), 200)
	for i, bad := range []bool{false, true, true, true, false} {
		r := got.Results[i]
		if (r.Error != nil) != bad || (r.Answer == nil) != bad || bad && r.Error.Status != 422 {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	for body, code := range map[string]int{`{}`: 422, `{"users":[]}`: 422, `[]`: 400, `{"user":["a"]}`: 400, `{"users":[` + strings.Repeat(`"u",`, maxBatchUsers) + `"u"]}`: 422, `{"users":["u"]`: 400} {
		if r := st.do("POST", "/v1/recommend:batch", body); r.Code != code {
			t.Errorf("%.40s: status %d, want %d: %s", body, r.Code, code, r.Body)
		}
	}
	st.mr.SetError("away")
	for _, r := range into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u","v"]}`), 200).Results {
		if r.Answer == nil || r.Answer.Degraded == "" || len(r.Answer.Items) != 10 {
			t.Errorf("without redis: %+v", r)
		}
	}
	st.mr.SetError("")
}

func TestBatch_panicIsContained(t *testing.T) {
	st := shop(t, 20)
	st.s.Live().Ranker.(*fakeRanker).delay = func() { panic("boom") }
	got := into[BatchResult](t, st.do("POST", "/v1/recommend:batch", `{"users":["u"]}`), 200)
	if e := got.Results[0].Error; e == nil || e.Status != 500 || strings.Contains(e.Detail, "boom") {
		t.Errorf("%+v", got.Results[0])
	}
}
