package live

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
)

// Report implements stream.System.
func (s *System) Report(ctx context.Context) (evaluation.Live, error) {
	out := s.told
	ages, versions := s.ages()
	out.Models, out.Age, out.PublishMS = versions, evaluation.SpanOf(ages), evaluation.SpanOf(s.publish)
	rounds, err := s.client.rounds(ctx)
	if err != nil {
		return out, err
	}
	out.DeadLetters, err = s.deadLetters(ctx)
	countRounds(&out, rounds)
	return out, err
}

// countRounds counts what became of the rounds. Round 0, the first counts, is none.
func countRounds(out *evaluation.Live, rounds []schema.Round) {
	var seconds []float32
	for _, r := range rounds {
		if r.Round == 0 {
			continue
		}
		out.Rounds++
		seconds = append(seconds, float32(r.Seconds))
		if r.Refresh != nil && r.Refresh.Verdict == schema.VerdictPromoted {
			out.Refreshed++
		}
		switch {
		case r.Verdict == schema.VerdictRolledBack || r.Rollback != nil:
			out.RolledBack++
		case r.Verdict == schema.VerdictPromoted && r.Learner != trainer.LearnerCounts:
			out.Promoted++
		case r.Verdict == schema.VerdictPromoted:
			out.Refreshed++
		case r.Verdict == schema.VerdictFailed:
			out.FailedRounds++
		}
	}
	out.RoundSeconds = evaluation.SpanOf(seconds)
}

// deadLetters is how many records ingest set aside.
func (s *System) deadLetters(ctx context.Context) (int64, error) {
	all, err := s.app.Redis().HGetAll(ctx, s.app.Keys().IngestStatus()).Result()
	if err != nil {
		return 0, fmt.Errorf("read the ingest status: %w", err)
	}
	sum := int64(0)
	for instance, doc := range all {
		var st schema.IngestStatus
		if err := json.Unmarshal([]byte(doc), &st); err != nil {
			return 0, fmt.Errorf("decode the ingest status of %q: %w", instance, err)
		}
		sum += st.DeadLetters
	}
	return sum, nil
}
