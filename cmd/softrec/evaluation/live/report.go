package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
)

// settle is how long a report waits for the last events to be applied, look how often it asks.
const (
	settle = 10 * time.Second
	look   = 50 * time.Millisecond
)

// Report implements stream.System. It waits a moment for the last events to be applied, so that none that is set aside is
// overlooked.
func (s *System) Report(ctx context.Context) (evaluation.Live, error) {
	out := s.told
	took, err := s.sender.flush()
	if err != nil {
		return out, err
	}
	ages, first, versions := s.ages()
	out.Models, out.Age, out.NewAge, out.PublishMS = versions, evaluation.SpanOf(ages), evaluation.SpanOf(first), evaluation.SpanOf(took)
	rounds, err := s.client.rounds(ctx)
	if err != nil {
		return out, err
	}
	countRounds(&out, rounds)
	out.DeadLetters, err = s.deadLetters(ctx)
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
	return settled(ctx, s.sent, s.ingested)
}

// settled is how many records were set aside once ask says that all were seen, or what it said last when settle is over: a replay of hours is
// not lost for a question that took too long.
func settled(ctx context.Context, sent int64, ask func(context.Context) (seen, dead int64, err error)) (int64, error) {
	asking, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	last := int64(0)
	for {
		seen, dead, err := ask(asking)
		switch {
		case asking.Err() != nil:
			return max(last, dead), ctx.Err()
		case late(err): // the machine is busy: it is asked again
		case err != nil:
			return dead, err
		case seen >= sent:
			return dead, nil
		default:
			last = dead
		}
		select {
		case <-asking.Done():
		case <-tick.C:
		}
	}
}

// late reports that err is an answer that took too long.
func late(err error) bool {
	var wait net.Error
	return errors.As(err, &wait) && wait.Timeout()
}

// ingested is how many records ingest says it has seen, and how many of them it set aside.
func (s *System) ingested(ctx context.Context) (seen, dead int64, err error) {
	all, err := s.app.Redis().HGetAll(ctx, s.app.Keys().IngestStatus()).Result()
	if err != nil {
		return 0, 0, fmt.Errorf("read the ingest status: %w", err)
	}
	for instance, doc := range all {
		var st schema.IngestStatus
		if err := json.Unmarshal([]byte(doc), &st); err != nil {
			return 0, 0, fmt.Errorf("decode the ingest status of %q: %w", instance, err)
		}
		seen, dead = seen+st.Events+st.Duplicates+st.Late+st.DeadLetters, dead+st.DeadLetters
	}
	return seen, dead, nil
}
