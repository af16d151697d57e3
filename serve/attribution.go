package serve

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/arms"
	"github.com/softrec/softrec/trainer/eval"
)

// Share is a rate with its 95 % interval after Wilson, which takes trials as independent: where users have many answers each, the
// interval is too narrow, and `softrec eval arms` gives the one that takes users as units.
type Share struct {
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	Of   int64   `json:"of" doc:"trials"`
}

func shareOf(hits, n int64) Share {
	i := eval.Wilson(hits, n)
	return Share{Rate: i.Value, Low: i.Low, High: i.High, Of: n}
}

// AttributionReport is the answer to GET /v1/attribution.
type AttributionReport struct {
	Enabled    bool           `json:"enabled" doc:"answers are logged and joined with interactions (attribution.enabled)"`
	Experiment []ArmInfo      `json:"experiment" doc:"the arms of this server; empty where none are configured"`
	Arms       []ArmReport    `json:"arms" doc:"by arm and model version, the newest version of an arm first"`
	Sources    []SourceReport `json:"sources" doc:"by arm, model version and source"`
}

// ArmInfo is one arm of a server.
type ArmInfo struct {
	Name     string       `json:"name"`
	Share    float64      `json:"share" doc:"of the users; of a shadow: of the logged answers"`
	Model    string       `json:"model" doc:"live, or a version"`
	Ranking  arms.Ranking `json:"ranking"`
	Shadow   bool         `json:"shadow"`
	Answers  string       `json:"answers_with" doc:"the version it answers with now; empty before the first model"`
	Degraded string       `json:"degraded,omitempty" doc:"why it is not what it should be"`
}

// ArmReport is what became of one arm's answers with one model version.
type ArmReport struct {
	schema.ArmTotals
	CTR        Share   `json:"ctr" doc:"answers with at least one click; the interval takes answers as independent: it is too narrow where users have many"`
	Conversion Share   `json:"conversion" doc:"answers with at least one conversion"`
	HR10       Share   `json:"hr10" doc:"scored lists whose first ten items held the user's next interaction; users saw the list of their arm and never a shadow's, so a shadow's figure is too low beside it"`
	NDCG10     float64 `json:"ndcg10"`
}

// SourceReport is what became of the items of one source.
type SourceReport struct {
	schema.SourceTotals
	CTR        Share `json:"ctr" doc:"items clicked; those of one answer are not independent, so the interval is somewhat too narrow"`
	Conversion Share `json:"conversion"`
}

type attributionOutput struct{ Body AttributionReport }

func (s *Server) registerAttribution(api huma.API) {
	huma.Register(api, s.operation("attribution", http.MethodGet, "/v1/attribution", "watching", "What became of the answers",
		"Clicks and conversions of logged answers by arm, model version and source, and how well the arms' lists foresaw the next interaction. Totals since they are counted."), s.getAttribution)
}

func (s *Server) getAttribution(ctx context.Context, _ *struct{}) (*attributionOutput, error) {
	out := &attributionOutput{Body: AttributionReport{Enabled: s.deps.Attributions != nil, Experiment: s.armInfos(), Arms: []ArmReport{}, Sources: []SourceReport{}}}
	if s.deps.Attributions == nil {
		return out, nil
	}
	var all schema.Attribution
	err := s.gateway.do(ctx, func(ctx context.Context, _ redis.Pipeliner) func() error {
		return func() (err error) { all, err = s.deps.Attributions.Totals(ctx); return err }
	})
	if err != nil {
		_ = s.degrade(err)
		return nil, unavailable(s.cfg.BreakerCooldown, "the totals cannot be read now")
	}
	for _, r := range all.Arms {
		rep := ArmReport{ArmTotals: r, CTR: shareOf(r.Clicked, r.Answers), Conversion: shareOf(r.Converted, r.Answers), HR10: shareOf(r.Hits, r.Scored)}
		if r.Scored > 0 {
			rep.NDCG10 = r.Gain / float64(r.Scored)
		}
		out.Body.Arms = append(out.Body.Arms, rep)
	}
	for _, r := range all.Sources {
		out.Body.Sources = append(out.Body.Sources, SourceReport{SourceTotals: r, CTR: shareOf(r.Clicked, r.Shown), Conversion: shareOf(r.Converted, r.Shown)})
	}
	return out, nil
}

// armInfos describes the arms of this server.
func (s *Server) armInfos() []ArmInfo {
	all := []ArmInfo{}
	if s.arms == nil {
		return all
	}
	live := s.models.live.Load()
	rest := 1.0
	add := func(a *arms.Arm, shadow bool) {
		info := ArmInfo{Name: a.Name, Share: a.Share, Model: a.Model, Ranking: a.Ranking, Shadow: shadow}
		if info.Model == "" {
			info.Model = arms.LiveModel
		}
		if info.Ranking == "" {
			info.Ranking = arms.RankingModel
		}
		st := s.arms.state(a)
		if info.Degraded, info.Answers = st.complaint, live.version(); st.live != nil {
			info.Answers = st.live.version()
		}
		all = append(all, info)
	}
	for _, a := range s.arms.book.Arms {
		add(a, false)
		rest -= a.Share
	}
	if rest > 1e-9 {
		all = append(all, ArmInfo{Name: schema.DefaultArm, Share: rest, Model: arms.LiveModel, Ranking: arms.RankingModel, Answers: live.version()})
	}
	for _, a := range s.arms.book.Shadows {
		add(a, true)
	}
	return all
}
