package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

type modelsOutput struct{ Body ModelList }

// ModelList is the answer to GET /v1/models.
type ModelList struct {
	Current   string            `json:"current" doc:"the version the registry points at; empty before the first"`
	Loaded    string            `json:"loaded" doc:"the version this server answers with"`
	History   []string          `json:"history" doc:"versions that were live, newest first"`
	Manifests []schema.Manifest `json:"manifests" doc:"snapshots that can be rolled back to, newest first"`
	Degraded  string            `json:"degraded,omitempty" doc:"what could not be read"`
}

type roundsInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"20" doc:"rounds wanted"`
}

type roundsOutput struct{ Body RoundList }

// RoundList is the answer to GET /v1/rounds.
type RoundList struct {
	Rounds []schema.Round `json:"rounds" doc:"newest first"`
}

func (s *Server) registerModels(api huma.API) {
	const tag = "models"
	huma.Register(api, s.operation("list-models", http.MethodGet, "/v1/models", tag, "Model versions", ""), s.listModels)
	huma.Register(api, s.operation("list-rounds", http.MethodGet, "/v1/rounds", tag, "Training rounds with their verdicts", ""), s.listRounds)
}

func (s *Server) listModels(ctx context.Context, _ *struct{}) (*modelsOutput, error) {
	out := ModelList{Loaded: s.models.live.Load().version(), History: []string{}, Manifests: []schema.Manifest{}}
	current, err := s.registry(ctx, &out)
	if err != nil {
		_ = s.degrade(err)
		out.Degraded, current = "the registry cannot be read now", out.Loaded
	}
	out.Current = current
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PublishTimeout) // the gateway wants the caller's own deadline
	defer cancel()
	manifests, err := s.deps.Snapshots.List(ctx)
	if err != nil {
		s.log.Warn("list snapshots", "err", err)
		out.Degraded = "the snapshots cannot be listed now"
	} else {
		out.Manifests = append(out.Manifests, manifests...)
	}
	slices.SortStableFunc(out.Manifests, func(a, b schema.Manifest) int {
		return cmp.Or(cmp.Compare(b.Round, a.Round), b.CreatedAt.Compare(a.CreatedAt))
	})
	return &modelsOutput{Body: out}, nil
}

// registry reads the pointer and its history under the breaker.
func (s *Server) registry(ctx context.Context, out *ModelList) (current string, err error) {
	err = s.gateway.do(ctx, func(ctx context.Context, _ redis.Pipeliner) func() error {
		return func() error {
			version, err := s.deps.Registry.Current(ctx)
			if err != nil {
				return fmt.Errorf("read the live model's version: %w", err)
			}
			history, err := s.deps.Registry.History(ctx)
			if err != nil {
				return fmt.Errorf("read the models' history: %w", err)
			}
			current, out.History = version, append(out.History, history...)
			return nil
		}
	})
	return current, err
}

func (s *Server) listRounds(ctx context.Context, in *roundsInput) (*roundsOutput, error) {
	var raw map[string]string
	err := s.gateway.do(ctx, func(ctx context.Context, pipe redis.Pipeliner) func() error {
		cmd := pipe.HGetAll(ctx, s.deps.Keys.Rounds())
		return func() (err error) { raw, err = cmd.Result(); return err }
	})
	if err != nil {
		_ = s.degrade(err)
		return nil, unavailable(s.cfg.BreakerCooldown, "rounds cannot be read now")
	}
	rounds := decodeRounds(raw)
	return &roundsOutput{Body: RoundList{Rounds: rounds[:min(len(rounds), in.Limit)]}}, nil
}

// decodeRounds reads round records, newest first, and passes over what it cannot read.
func decodeRounds(raw map[string]string) []schema.Round {
	rounds := make([]schema.Round, 0, len(raw))
	for _, r := range raw {
		var rec schema.Round
		if err := json.Unmarshal([]byte(r), &rec); err == nil {
			rounds = append(rounds, rec)
		}
	}
	slices.SortFunc(rounds, func(a, b schema.Round) int { return cmp.Compare(b.Round, a.Round) })
	return rounds
}
