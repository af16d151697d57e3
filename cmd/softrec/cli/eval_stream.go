package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/live"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/cmd/softrec/evaluation/stream"
	"github.com/softrec/softrec/trainer"
)

func newEvalStream(env Env) (*cobra.Command, error) {
	o := stream.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "Ask every model before each basket of a log, and score what it answered",
		Long: "Plays a log in the order of its time: every basket is first asked about, then learnt, by all models. In delayed mode the log goes to the real\n" +
			"application (broker, windows, trainer, server) at a fixed pace, one replay per learned model and seed. Writes result.json, models.csv,\n" +
			"windows.csv, report.md and report.html to --out; results of other settings there are refused, those of the same ones written over.\n\n" +
			"A language model is named with --model. --learner text makes it the learner of the ranker, which sft refreshes by plain fine-tuning and soft by SOFT; in\n" +
			"synchronous mode the models text and text-sft are it alone, tuned so. What it knows are titles: --items. The model counts, in synchronous mode, is the ranker without any network.\n\n" +
			"Models: " + strings.Join(evaluation.Names(), ", ") + ".",
		Example: "  softrec eval stream --interactions log.tsv.zst --items items.tsv.zst --out ./stream\n" +
			"  softrec eval stream --interactions log.tsv.zst --items items.tsv.zst --filter-seen --models popularity,transitions,ranker --seeds 3 --out ./first-time\n" +
			"  softrec eval stream --interactions log.tsv.zst --items items.tsv.zst --mode delayed --speed 1000 --out ./live\n" +
			"  softrec eval stream --interactions log.tsv.zst --items items.tsv.zst --learner text --model ./minilm --models transitions,counts,sft,soft --out ./mixed\n" +
			"  softrec eval stream --interactions log.tsv.zst --items items.tsv.zst --mode delayed --learner text --model ./minilm --models sft,soft,ranker --out ./text",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, log, err := start(cmd, env, streamed(o.Mode))
			if err != nil {
				return err
			}
			if o.Model = loaded.Config.Text.Model; len(o.Models) == 0 && o.Mode == stream.Synchronous && !cmd.Flags().Changed("model") && loaded.Config.Trainer.Learner != trainer.LearnerText {
				o.Model = "" // a setting of production brings no model of hours into a comparison
			}
			if err := errors.Join(o.Validate(), checkStream(o, loaded.Config)); err != nil {
				return err
			}
			settings, err := streamSettings(cmd.Context(), o, loaded, log)
			if err != nil {
				return err
			}
			res, err := stream.Execute(cmd.Context(), o, stream.Kit{
				Open: openRehearsal(loaded.Config, o.FilterSeen, log), System: live.Open(loaded, log, env.Version), Text: o.Model != "",
				Learner: loaded.Config.Trainer.Learner, NoSequence: !loaded.Config.Trainer.TunesSequence(), Settings: settings, Log: log, Watch: stream.Bars(env.Err),
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, res.Summary())
			return err
		},
	}
	evalStreamFlags(cmd, &o)
	return cmd, settings(cmd, "log", "window", "trainer", "text", "backend", "serve")
}

// checkStream says what cannot be before anything is played.
func checkStream(o stream.Options, cfg config.Config) error {
	if mixesText(o, cfg) && o.Items == "" {
		return errors.New("trainer.learner text: want the titles of a catalogue in --items")
	}
	if cfg.Trainer.Plain && slices.ContainsFunc(o.Wanted(), rival.IsLearned) {
		return errors.New("trainer.plain true: want false here, where the models sft and text-sft are refreshed so and the others by SOFT")
	}
	if o.Mode == stream.Delayed {
		return live.Check(cfg, o.Wanted())
	}
	if mixesText(o, cfg) && cfg.Text.Model == "" {
		return errors.New("trainer.learner text: want a language model in --model")
	}
	return nil
}

// streamed are the defaults of a mode. In delayed mode rounds are those of production; windows are as long in both, so that
// nothing but time tells them apart.
func streamed(mode string) map[string]string {
	if mode != stream.Delayed {
		return rehearsed()
	}
	preset := live.Preset()
	preset["window.len"] = rehearsed()["window.len"]
	return preset
}

func evalStreamFlags(cmd *cobra.Command, o *stream.Options) {
	fs := cmd.Flags()
	fs.StringVar(&o.Interactions, "interactions", "", "log: tab-separated text with the columns user, item and timestamp (or pos), plain or packed by gzip or Zstandard")
	fs.StringVar(&o.Items, "items", "", "catalogue with the columns item and title; empty for none")
	fs.BoolVar(&o.FilterSeen, "filter-seen", o.FilterSeen, "leave what a user had out of rankings and questions")
	fs.StringVar(&o.Basket, "basket", "", "column whose value the lines of one basket share; empty: user and time")
	fs.Float64Var(&o.Warmup, "warmup", o.Warmup, "share of the log that is learnt and not scored")
	fs.StringSliceVar(&o.Models, "models", nil, "models to run, separated by commas; empty for all, in delayed mode for the simple ones and ranker")
	fs.StringVar(&o.Mode, "mode", o.Mode, "synchronous: everything is learnt before the next question; delayed: the real application answers with what it has learnt by then")
	fs.Float64Var(&o.Speed, "speed", o.Speed, "delayed mode: events of the log per second, warm-up included; 0 sends them as fast as the application answers")
	fs.IntVar(&o.Seeds, "seeds", o.Seeds, "runs of the models that depend on a seed, the first with trainer.seed, each of the others with the next; in delayed mode replays of each")
	fs.IntVar(&o.Limit, "limit", o.Limit, "first lines of the log to take, in the order of time; 0 for all")
	fs.StringVar(&o.Out, "out", "", "folder of the results")
	fs.IntVar(&o.Draws, "bootstrap", o.Draws, "draws of the bootstrap over users")
	fs.IntVar(&o.Audit, "audit", o.Audit, "lines of the log on which every model is first checked for leaks; 0 for no check")
}
