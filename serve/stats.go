package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// Stats is what /v1/live sends once a second: figures of now.
type Stats struct {
	At        time.Time      `json:"at"`
	Clock     time.Time      `json:"clock" doc:"what time it is for interactions that happen now: that of at, but in a demo that of the log it replays"`
	Ingest    IngestStats    `json:"ingest"`
	Model     *ModelStats    `json:"model" doc:"null before the first model"`
	Catalogue CatalogueStats `json:"catalogue"`
	Serve     ServeStats     `json:"serve"`
	Degraded  string         `json:"degraded" doc:"what could not be read; empty normally"`
}

// TransformSchema says that there may be no model yet.
func (Stats) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return orNull(s, "model")
}

// TransformSchema says that there may be no model and no score yet.
func (FullStats) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return orNull(s, "model", "prequential")
}

// orNull lets properties of a schema be null, which huma has no tag for where a property is an object.
func orNull(s *huma.Schema, properties ...string) *huma.Schema {
	for _, name := range properties {
		p := s.Properties[name]
		s.Properties[name] = &huma.Schema{Description: p.Description, OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
	}
	return s
}

// FullStats is the answer to GET /v1/stats.
type FullStats struct {
	Stats
	Prequential *schema.Prequential `json:"prequential" doc:"null before the trainer wrote one"`
}

// IngestStats sums over the ingest processes heard from lately.
type IngestStats struct {
	Instances   []schema.IngestStatus `json:"instances"`
	Events      int64                 `json:"events"`
	Duplicates  int64                 `json:"duplicates"`
	Late        int64                 `json:"late"`
	DeadLetters int64                 `json:"dead_letters"`
	Rate        float64               `json:"rate" doc:"events per second"`
	Lag         int64                 `json:"lag" doc:"records not applied yet"`
}

// ModelStats is the model this server answers with.
type ModelStats struct {
	Version    string             `json:"version"`
	Round      int                `json:"round"`
	Learner    string             `json:"learner"`
	CreatedAt  time.Time          `json:"created_at"`
	LoadedAt   time.Time          `json:"loaded_at"`
	AgeSeconds float64            `json:"age_seconds" doc:"since it was made"`
	Metrics    map[string]float64 `json:"metrics"`
}

// CatalogueStats is this server's copy of the catalogue.
type CatalogueStats struct {
	Items   int   `json:"items"`
	Version int64 `json:"version"`
}

// ServeStats is what this server did since it started; rate and quantiles are of the last minute.
type ServeStats struct {
	Requests        int64   `json:"requests"`
	Failed          int64   `json:"failed" doc:"answered with 500 or more"`
	Rate            float64 `json:"rate" doc:"requests per second"`
	P50             float64 `json:"p50_ms" doc:"of GET /v1/recommend"`
	P99             float64 `json:"p99_ms" doc:"of GET /v1/recommend"`
	CacheHits       int64   `json:"cache_hits"`
	CacheMisses     int64   `json:"cache_misses"`
	EventsAccepted  int64   `json:"events_accepted"`
	EventsDuplicate int64   `json:"events_duplicate"`
	EventsRejected  int64   `json:"events_rejected"`
	Swaps           int64   `json:"swaps"`
	LoadFailures    int64   `json:"load_failures"`
	Subscribers     int     `json:"subscribers"`
}

// staleIngest is how old a status may be before its process counts as gone.
const staleIngest = 10 * time.Second

type statsOutput struct{ Body FullStats }

func (s *Server) registerStats(api huma.API) {
	const tag = "watching"
	huma.Register(api, s.operation("stats", http.MethodGet, "/v1/stats", tag, "Figures of now", ""), s.getStats)
	s.registerLive(api, tag)
}

func (s *Server) getStats(ctx context.Context, _ *struct{}) (*statsOutput, error) {
	var f feed
	err := s.gateway.do(ctx, func(ctx context.Context, pipe redis.Pipeliner) func() error {
		return f.queue(ctx, pipe, s.deps.Keys, feedStats)
	})
	out := FullStats{Stats: s.stats(f, err)}
	if f.prequential != "" {
		out.Prequential = new(schema.Prequential)
		if err := json.Unmarshal([]byte(f.prequential), out.Prequential); err != nil {
			out.Prequential = nil
		}
	}
	return &statsOutput{Body: out}, nil
}

// stats joins what Redis said with what this process knows.
func (s *Server) stats(f feed, err error) Stats {
	now, t := s.deps.Now(), s.tally.read(s.deps.Now())
	st := Stats{
		At: now.UTC().Truncate(time.Millisecond), Clock: s.deps.Clock().UTC().Truncate(time.Millisecond), Ingest: sumIngest(f.ingest, now), Model: modelStats(s.models.live.Load(), now),
		Catalogue: CatalogueStats{Items: s.deps.Catalogue.Len(), Version: s.deps.Catalogue.Version()},
		Serve: ServeStats{
			Requests: t.requests, Failed: t.failed, Rate: t.rate, P50: t.p50, P99: t.p99,
			CacheHits: s.cache.hits.Load(), CacheMisses: s.cache.misses.Load(),
			EventsAccepted: s.intake.accepted.Load(), EventsDuplicate: s.intake.duplicates.Load(), EventsRejected: s.intake.rejected(),
			Swaps: s.models.swaps.Load(), LoadFailures: s.models.failures.Load(), Subscribers: s.hub.count(),
		},
	}
	if err != nil {
		st.Degraded = "redis is away"
	}
	return st
}

func modelStats(live *Live, now time.Time) *ModelStats {
	if live == nil {
		return nil
	}
	m := live.Manifest
	st := &ModelStats{
		Version: m.Version, Round: m.Round, Learner: m.Learner, CreatedAt: m.CreatedAt, LoadedAt: live.LoadedAt.UTC(),
		AgeSeconds: age(now, m.CreatedAt), Metrics: map[string]float64{},
	}
	for k, v := range m.Metrics {
		st.Metrics[k] = finite(v)
	}
	return st
}

// sumIngest adds up the processes heard from lately, in the order of their names.
func sumIngest(raw map[string]string, now time.Time) IngestStats {
	sum := IngestStats{Instances: []schema.IngestStatus{}}
	for _, r := range raw {
		var st schema.IngestStatus
		if err := json.Unmarshal([]byte(r), &st); err != nil || now.Sub(st.At) > staleIngest {
			continue
		}
		sum.Instances = append(sum.Instances, st)
		sum.Events += st.Events
		sum.Duplicates += st.Duplicates
		sum.Late += st.Late
		sum.DeadLetters += st.DeadLetters
		sum.Rate += finite(st.Rate)
		sum.Lag += st.Lag
	}
	slices.SortFunc(sum.Instances, func(a, b schema.IngestStatus) int { return cmp.Compare(a.Instance, b.Instance) })
	return sum
}

// feed is one reading of what the page shows from Redis.
type feed struct {
	ingest      map[string]string // IngestStatus by instance
	prequential string            // "" = none yet
	recent      []string          // newest first
	rounds      map[string]string // Round by number
}

// Parts of a feed to read.
type feedParts int

const (
	feedStats feedParts = 1 << iota
	feedRecent
	feedRounds
)

// queue adds the reads of parts to pipe; what it returns fills f after the round trip.
func (f *feed) queue(ctx context.Context, pipe redis.Pipeliner, keys schema.Keys, parts feedParts) func() error {
	var fill []func() error
	if parts&feedStats != 0 {
		ingest, preq := pipe.HGetAll(ctx, keys.IngestStatus()), pipe.Get(ctx, keys.Prequential())
		fill = append(fill,
			func() (err error) { f.ingest, err = ingest.Result(); return err },
			func() (err error) {
				if f.prequential, err = preq.Result(); errors.Is(err, redis.Nil) {
					return nil
				}
				return err
			})
	}
	if parts&feedRecent != 0 {
		recent := pipe.LRange(ctx, keys.RecentEvents(), 0, recentEvents-1)
		fill = append(fill, func() (err error) { f.recent, err = recent.Result(); return err })
	}
	if parts&feedRounds != 0 {
		rounds := pipe.HGetAll(ctx, keys.Rounds())
		fill = append(fill, func() (err error) { f.rounds, err = rounds.Result(); return err })
	}
	return func() error {
		var errs []error
		for _, get := range fill {
			errs = append(errs, get())
		}
		return errors.Join(errs...)
	}
}
