package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/cmd/softrec/probe"
	"github.com/softrec/softrec/schema"
)

// scanCount is how many keys one SCAN looks at.
const scanCount = 1000

// ingested returns how many events were applied and how many records were set aside, over all ingest processes.
func ingested(ctx context.Context, rdb redis.UniversalClient, keys schema.Keys) (events, dead int64, err error) {
	all, err := rdb.HGetAll(ctx, keys.IngestStatus()).Result()
	if err != nil {
		return 0, 0, fmt.Errorf("read the ingest status: %w", err)
	}
	for instance, doc := range all {
		var st schema.IngestStatus
		if err := json.Unmarshal([]byte(doc), &st); err != nil {
			return 0, 0, fmt.Errorf("decode the ingest status of %q: %w", instance, err)
		}
		events, dead = events+st.Events, dead+st.DeadLetters
	}
	return events, dead, nil
}

// countWindows walks the users' keys.
func countWindows(ctx context.Context, rdb redis.UniversalClient, keys schema.Keys) (int64, error) {
	var n int64
	scan := rdb.Scan(ctx, 0, keys.UserScan(), scanCount).Iterator()
	for scan.Next(ctx) {
		n++
	}
	if err := scan.Err(); err != nil {
		return 0, fmt.Errorf("count windows: %w", err)
	}
	return n, nil
}

// readRounds returns the recorded rounds, oldest first.
func readRounds(ctx context.Context, rdb redis.UniversalClient, keys schema.Keys) ([]Round, error) {
	all, err := rdb.HGetAll(ctx, keys.Rounds()).Result()
	if err != nil {
		return nil, fmt.Errorf("read the rounds: %w", err)
	}
	rounds := make([]Round, 0, len(all))
	for number, doc := range all {
		var rec schema.Round
		if err := json.Unmarshal([]byte(doc), &rec); err != nil {
			return nil, fmt.Errorf("decode round %s: %w", number, err)
		}
		r := Round{Round: rec.Round, Lambda: []float64{}, Distance: []float64{}, Verdict: rec.Verdict, Reason: rec.Reason, ModelVersion: rec.ModelVersion, Started: rec.Started, Seconds: rec.Seconds}
		for _, e := range rec.Epochs {
			r.Lambda, r.Distance = append(r.Lambda, e.Lambda), append(r.Distance, e.Distance)
		}
		rounds = append(rounds, r)
	}
	slices.SortFunc(rounds, func(a, b Round) int { return cmp.Compare(a.Round, b.Round) })
	return rounds, nil
}

// trainerLag returns how many records the trainer had yet to read, -1 while it has not said so since then.
func trainerLag(ctx context.Context, rdb redis.UniversalClient, keys schema.Keys, since time.Time) (int64, error) {
	p, err := prequential(ctx, rdb, keys)
	if err != nil || p.At.Before(since) {
		return -1, err
	}
	return p.Lag, nil
}

// readPrequential returns the trainer's running scores, zero before the first.
func readPrequential(ctx context.Context, rdb redis.UniversalClient, keys schema.Keys) (Prequential, error) {
	p, err := prequential(ctx, rdb, keys)
	if err != nil {
		return Prequential{}, err
	}
	model := p.Scores["model"]
	out := Prequential{
		Events: p.Events, HR10: model.HR10, NDCG10: model.NDCG10,
		PopularityHR10: p.Scores["popularity"].HR10, TransitionsHR10: p.Scores["transitions"].HR10,
	}
	if with := p.Scores["with_text"]; with.Count > 0 {
		out.Text = &TextScores{Events: int64(with.Count), HR10: with.HR10, WithoutHR10: p.Scores["without_text"].HR10}
	}
	return out, nil
}

// prequential returns what the trainer last said of itself, zero before it did.
func prequential(ctx context.Context, rdb redis.UniversalClient, keys schema.Keys) (schema.Prequential, error) {
	var p schema.Prequential
	doc, err := rdb.Get(ctx, keys.Prequential()).Bytes()
	if errors.Is(err, redis.Nil) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read the running scores: %w", err)
	}
	if err := json.Unmarshal(doc, &p); err != nil {
		return p, fmt.Errorf("decode the running scores: %w", err)
	}
	return p, nil
}

// sampleOf asks for the window and the answer of user and puts titles to both.
func sampleOf(ctx context.Context, client *probe.Client, titles map[string]string, user string, shown int) (Sample, error) {
	window, err := client.Window(ctx, user)
	if err != nil {
		return Sample{}, err
	}
	answer, err := client.Recommend(ctx, user, shown)
	if err != nil {
		return Sample{}, err
	}
	s := Sample{User: user, Window: []string{}, Recommended: []SampleRecommended{}}
	for _, e := range window.Entries[max(0, len(window.Entries)-shown):] {
		s.Window = append(s.Window, cmp.Or(titles[e.ItemID], e.ItemID))
	}
	for _, it := range answer.Items {
		s.Recommended = append(s.Recommended, SampleRecommended{cmp.Or(titles[it.ID], it.ID), it.Source})
	}
	return s, nil
}
