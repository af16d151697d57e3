package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/evaluation/arms"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// armsFlags are the flags of eval arms that are no settings.
type armsFlags struct {
	impressions, interactions, reward, json string
	since                                   time.Duration
	most                                    int
}

// Rewards of eval arms.
const (
	rewardClick      = "click"
	rewardConversion = "conversion"
)

func newEvalArms(env Env) (*cobra.Command, error) {
	flags := armsFlags{reward: rewardClick, since: 24 * time.Hour, most: 500_000}
	cmd := &cobra.Command{
		Use:   "arms",
		Short: "Compare the arms of an experiment from logged impressions, shadows among them",
		Long: "Joins impressions with the interactions that followed them and says what each arm's lists brought, and what those of shadow arms would have\n" +
			"brought: by inverse propensities (IPS) and self-normalised (SNIPS), with intervals, effective sample size and what was left out. Answers that\n" +
			"did not explore carry no propensities and cannot tell; where support is missing the estimate is refused or warned of.\n\n" +
			"Reads files of JSON lines, or, without them, what was written to the two topics of late. Of more answers of the topic than memory is given for\n" +
			"(--most) a sample is taken.\n\n" +
			"Files ordered by time, give or take five minutes, are read once, side by side: impressions by the time in their recommendation_id, interactions by\n" +
			"their timestamp. Memory then holds the answers of the last attribution.window and ten minutes, and sums for each user by arm and model version,\n" +
			"which the intervals need. Files in another order, such as one partition after the other, or with ids that softrec did not make, are read again as\n" +
			"a whole, with the same figures: that takes about 3 KB an impression of ten items. A pipe cannot be read again, so it must be ordered.",
		Example: "  softrec eval arms --impressions impressions.jsonl.zst --interactions events.jsonl.zst\n" +
			"  softrec eval arms --kafka-brokers kafka:9092 --reward conversion --json arms.json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(cmd, env, nil)
			if err != nil {
				return err
			}
			report, err := compareArms(cmd.Context(), loaded.Config, flags)
			if err != nil {
				return err
			}
			if flags.json != "" {
				text, err := json.MarshalIndent(report, "", "  ")
				if err != nil {
					return fmt.Errorf("encode the report: %w", err)
				}
				if err := os.WriteFile(flags.json, append(text, '\n'), 0o644); err != nil {
					return err
				}
			}
			_, err = fmt.Fprint(env.Out, report.Summary())
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&flags.impressions, "impressions", "", "file with one JSON impression a line, plain, .gz or .zst; empty reads the topic")
	fs.StringVar(&flags.interactions, "interactions", "", "file with one JSON event a line, plain, .gz or .zst; empty reads the topic")
	fs.StringVar(&flags.reward, "reward", flags.reward, "what counts: click or conversion, by the types of the section attribution")
	fs.DurationVar(&flags.since, "since", flags.since, "how far back the topics are read, 0 for all that they hold")
	fs.IntVar(&flags.most, "most", flags.most, "impressions of the topic to keep in memory, shadows included, about 1.5 KB each for ten items; of more a sample by answers")
	fs.StringVar(&flags.json, "json", "", "file for the report as JSON")
	return cmd, settings(cmd, "kafka", "ingest", "attribution")
}

func compareArms(ctx context.Context, cfg config.Config, flags armsFlags) (arms.Report, error) {
	rules := arms.Rules{Types: cfg.Attribution.Clicks, Window: cfg.Attribution.Window}
	switch {
	case !slices.Contains([]string{rewardClick, rewardConversion}, flags.reward):
		return arms.Report{}, fmt.Errorf("--reward %q: want click or conversion", flags.reward)
	case (flags.impressions == "") != (flags.interactions == ""):
		return arms.Report{}, errors.New("name both --impressions and --interactions, or neither to read the topics")
	case flags.impressions == "" && cfg.EmbeddedKafka():
		return arms.Report{}, errors.New("where the topics are: name a broker with --kafka-brokers, or files with --impressions and --interactions")
	case flags.since < 0:
		return arms.Report{}, fmt.Errorf("--since %s: want at least 0s", flags.since)
	case flags.most < 1:
		return arms.Report{}, fmt.Errorf("--most %d: want at least 1", flags.most)
	case flags.reward == rewardConversion:
		rules.Types = cfg.Attribution.Conversions
	}
	if flags.impressions == "" {
		return compareTopics(ctx, cfg, rules, flags)
	}
	return arms.CompareFiles(flags.impressions, flags.interactions, rules)
}

// compareTopics reads both topics from a moment on to their ends. Of the interactions only those are kept that are a reward of an
// answer kept; what cannot be read is passed over, as ingest does.
func compareTopics(ctx context.Context, cfg config.Config, rules arms.Rules, flags armsFlags) (arms.Report, error) {
	var since time.Time
	if flags.since > 0 {
		since = time.Now().Add(-flags.since)
	}
	sample, err := arms.NewSample(flags.most)
	if err != nil {
		return arms.Report{}, err
	}
	var mu sync.Mutex // partitions are read at the same time
	err = broker.ScanSince(ctx, cfg.Kafka, cfg.Attribution.Topic, since, func(r broker.Record) error {
		if im, err := schema.DecodeImpression(r.Value); err == nil {
			mu.Lock()
			sample.Add(im)
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return arms.Report{}, err
	}
	var outcomes []arms.Outcome
	err = broker.ScanSince(ctx, cfg.Kafka, cfg.Ingest.Topic, since, func(r broker.Record) error {
		ev, err := schema.DecodeEvent(r.Value)
		if err != nil || !slices.Contains(rules.Types, ev.Type) || !sample.Has(ev.RecommendationID) {
			return nil
		}
		mu.Lock()
		outcomes = append(outcomes, arms.Outcome{Event: ev, Time: r.Time})
		mu.Unlock()
		return nil
	})
	if err != nil {
		return arms.Report{}, err
	}
	report, err := arms.Compare(sample.Impressions(), outcomes, rules)
	report.Sampled = sample.Share()
	return report, err
}
