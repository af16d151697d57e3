package demo

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/probe"
)

// examples is how many users are shown, shown how many titles of each.
const (
	examples = 3
	shown    = 5
)

// announce waits for the first answer that a model computed and shows three users with their lists.
func (s *show) announce(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(1, 3))
	first := func(ctx context.Context) bool {
		user, _, ok := s.recent.Pick(rng)
		if !ok {
			return false
		}
		answer, err := s.client.Recommend(ctx, user, 1)
		return err == nil && answer.ModelVersion != "" && len(answer.Items) > 0
	}
	if !s.until(ctx, first) {
		return nil
	}
	s.first = time.Since(s.started)
	s.say("\nfirst model live after %.1f s; open %s to watch, and be a user yourself\n", s.first.Seconds(), s.url)
	for _, user := range s.users(rng, examples) {
		if sample, err := sampleOf(ctx, s.client, s.titles, user, shown); err == nil { // an example is not worth a fault
			s.tellSample(sample)
		}
	}
	return nil
}

// users draws n different active users.
func (s *show) users(rng *rand.Rand, n int) []string {
	var users []string
	for tries := 0; len(users) < n && tries < 100*n; tries++ {
		if user, _, ok := s.recent.Pick(rng); ok && !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	return users
}

func (s *show) tellSample(sample Sample) {
	s.say("\nuser %s\n", sample.User)
	for _, title := range sample.Window {
		s.say("  did   %s\n", title)
	}
	for _, it := range sample.Recommended {
		s.say("  next  %-40s (%s)\n", it.Title, it.Source)
	}
}

// summarise takes the figures from where a client or an operator would.
func (s *show) summarise(ctx context.Context) (Summary, error) {
	rdb, keys := s.app.Redis(), s.app.Keys()
	report := s.prober.Report()
	sum := Summary{
		ClickToAnswer: clicks(report.Clicks), ClickToText: some(report.Texts),
		Requests: Requests{Count: report.Requests.Count, Failed: report.Requests.Failed, P50: report.Requests.P50ms, P99: report.Requests.P99ms,
			Served: report.Served, Models: report.Models, Error: report.LastError, TextReady: report.Ready.Count, TextPending: report.Pending.Count,
			TextReadyMS: some(report.Ready), TextPendingMS: some(report.Pending), ChangedMS: some(report.Changed), UnchangedMS: some(report.Unchanged)},
		FirstModelAt: s.first.Seconds(), Seconds: time.Since(s.started).Seconds(),
	}
	var err error
	if sum.EventsIngested, sum.DeadLetters, err = ingested(ctx, rdb, keys); err != nil {
		return sum, err
	}
	if sum.Windows, err = countWindows(ctx, rdb, keys); err != nil {
		return sum, err
	}
	if sum.Rounds, err = readRounds(ctx, rdb, keys); err != nil {
		return sum, err
	}
	if sum.Prequential, err = readPrequential(ctx, rdb, keys); err != nil {
		return sum, err
	}
	users := s.users(rand.New(rand.NewPCG(1, 4)), 1)
	if len(users) == 0 {
		return sum, fmt.Errorf("nothing was replayed")
	}
	if sum.Sample, err = sampleOf(ctx, s.client, s.titles, users[0], 2*shown); err != nil {
		return sum, err
	}
	answer, err := s.client.Recommend(ctx, users[0], 1)
	sum.ModelVersion = answer.ModelVersion
	return sum, err
}

func clicks(f probe.Figures) Clicks {
	return Clicks{P50: f.P50ms, P99: f.P99ms, Count: f.Count, Failed: f.Failed}
}

// some are figures of something that happened, nil where it did not.
func some(f probe.Figures) *Clicks {
	if f.Count == 0 {
		return nil
	}
	return new(clicks(f))
}

// tell shows the summary to a person.
func (s *show) tell(sum Summary) {
	p := sum.Prequential
	s.say("\n%d events in %d windows, %d dead letters, %d rounds, live model %s\n", sum.EventsIngested, sum.Windows, sum.DeadLetters, len(sum.Rounds), cmp.Or(sum.ModelVersion, "none"))
	for _, r := range sum.Rounds {
		s.say("  round %d: %s in %.1f s, lambda %.2f, distance %.3f (%s)\n", r.Round, r.Verdict, r.Seconds, r.Lambda, r.Distance, r.Reason)
	}
	s.say("prequential HR@10 over %d events: %.4f, popularity %.4f, transitions %.4f\n", p.Events, p.HR10, p.PopularityHR10, p.TransitionsHR10)
	if text := p.Text; text != nil {
		s.say("prequential HR@10 with the language model's scores over %d events: %.4f, without them %.4f\n", text.Events, text.HR10, text.WithoutHR10)
	}
	s.say("click to answer: p50 %.1f ms, p99 %.1f ms over %d clicks\n", sum.ClickToAnswer.P50, sum.ClickToAnswer.P99, sum.ClickToAnswer.Count)
	if sum.ClickToText != nil {
		s.say("click to the language model's answer: p50 %.1f ms, p99 %.1f ms over %d clicks; %d answers with it, %d before it was ready\n",
			sum.ClickToText.P50, sum.ClickToText.P99, sum.ClickToText.Count, sum.Requests.TextReady, sum.Requests.TextPending)
	}
	for _, of := range []struct {
		what  string
		times *Clicks
	}{
		{"answers with the language model's scores", sum.Requests.TextReadyMS}, {"answers before it had read the window", sum.Requests.TextPendingMS},
		{"the first answer that knows of a click, with the language model's scores", sum.Requests.ChangedMS}, {"the same window once more", sum.Requests.UnchangedMS},
	} {
		if of.times != nil {
			s.say("%s: p50 %.1f ms, p99 %.1f ms over %d requests\n", of.what, of.times.P50, of.times.P99, of.times.Count)
		}
	}
	s.say("requests: %d, %d failed, p50 %.1f ms, p99 %.1f ms\n", sum.Requests.Count, sum.Requests.Failed, sum.Requests.P50, sum.Requests.P99)
}
