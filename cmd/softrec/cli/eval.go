package cli

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/experiment"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/textlive"
)

func newEval(env Env) (*cobra.Command, error) {
	soft, err := newEvalSoft(env)
	if err != nil {
		return nil, err
	}
	pretrain, err := newEvalPretrain(env)
	if err != nil {
		return nil, err
	}
	stream, err := newEvalStream(env)
	if err != nil {
		return nil, err
	}
	offline, err := newEvalOffline(env)
	if err != nil {
		return nil, err
	}
	compared, err := newEvalArms(env)
	if err != nil {
		return nil, err
	}
	return group("eval", "Experiments on recorded logs", stream, offline, soft, pretrain, compared), nil
}

func newEvalSoft(env Env) (*cobra.Command, error) {
	o := experiment.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "soft",
		Short: "Compare SOFT with plain fine-tuning and its other controls on a language model",
		Long: "Splits a log by time (80/10/10), tunes the model of a Hugging Face folder by SOFT and by every control, and writes result.json,\n" +
			"report.md and plots to --out. A run that is there already is not made again: an experiment that was cut off goes on.\n\n" +
			"How the model computes and learns beyond the flags below is the section text.machine of the settings: adapter, micro-batches, gradient\n" +
			"checkpointing, negatives, instruction. A flag below goes before the setting it stands for, a setting that was set before a flag's default.\n" +
			"Batch and warm-up of the text learner's own defaults, which are made for live rounds, do not count. What differs from the defaults stands in\n" +
			"the report, and runs of other settings are not taken up again.\n\n" +
			"Variants: " + strings.Join(experiment.VariantNames(), ", ") + ".",
		Example: "  softrec eval soft --interactions log.tsv.zst --items items.tsv.zst --model ./minilm --out ./soft\n" +
			"  softrec eval soft --interactions log.tsv.zst --items items.tsv.zst --model ./minilm --out ./soft --regime full --test-prompts 0 --variants sft,soft,transitions\n" +
			"  softrec eval soft --interactions log.tsv.zst --items items.tsv.zst --model ./llama --out ./soft --answer free --ranking grounded --text-machine-compute-checkpoint --text-machine-generative-micro-batch 8",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("control-seeds") { // fewer seeds were asked for
				o.ControlSeeds = min(o.ControlSeeds, max(o.Seeds, 0))
			}
			if err := o.Filled().Validate(); err != nil {
				return err
			}
			loaded, log, err := start(cmd, env, unhurried())
			if err != nil {
				return err
			}
			o, err := onMachine(cmd, o, loaded, log)
			if err != nil {
				return err
			}
			res, err := experiment.Execute(cmd.Context(), o, experiment.Experiment{
				Open: experiment.OpenFolder(loaded.Config.Backend, app.FetchOptions(loaded.Config.Text, log), log), Log: log, Watcher: experiment.NewWatcher(env.Err),
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, res.Summary())
			return err
		},
	}
	evalDataFlags(cmd, &o)
	evalTrainFlags(cmd, &o)
	return cmd, settings(cmd, "log", "backend", "text.machine")
}

// unwatched undoes what the defaults of the text learner change for those who wait for answers while a round trains.
func unwatched() map[string]string {
	m := textlive.DefaultMachineConfig()
	return map[string]string{
		"text.machine.encoder.batch_size":     strconv.Itoa(m.Encoder.BatchSize),
		"text.machine.retrieval.micro_batch":  strconv.Itoa(m.Retrieval.MicroBatch),
		"text.machine.generative.micro_batch": strconv.Itoa(m.Generative.MicroBatch),
	}
}

// unhurried undoes what they change for the sake of short live rounds, too.
func unhurried() map[string]string {
	preset := unwatched()
	for _, family := range []string{"retrieval", "generative"} {
		preset["text.machine."+family+".batch"] = strconv.Itoa(experiment.DefaultOptions().Batch)
		preset["text.machine."+family+".optimiser.warmup"] = strconv.Itoa(lora.DefaultAdamWConfig().Warmup)
	}
	return preset
}

// onMachine lays o over the settings text.machine.
func onMachine(cmd *cobra.Command, o experiment.Options, loaded *config.Loaded, log *slog.Logger) (experiment.Options, error) {
	kind, err := experiment.KindOf(cmd.Context(), o.Model, app.FetchOptions(loaded.Config.Text, log))
	if err != nil {
		return o, err
	}
	given := map[string]bool{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	return o.With(kind, experiment.Machine{Config: loaded.Config.Text.Machine, Chosen: loaded.Chosen("text.machine"), Given: given})
}

// evalDataFlags are the flags that say what is compared on which data.
func evalDataFlags(cmd *cobra.Command, o *experiment.Options) {
	fs := cmd.Flags()
	fs.StringVar(&o.Interactions, "interactions", "", "log: tab-separated text with the columns user, item and timestamp (or pos), and basket or invoice if there is one")
	fs.StringVar(&o.Items, "items", "", "catalogue with the columns item and title")
	fs.StringVar(&o.Model, "model", "", "Hugging Face folder of an encoder (BERT) or a decoder (Llama, Qwen2), or hf:owner/name")
	fs.StringVar(&o.Out, "out", "", "folder of the results")
	fs.StringVar(&o.Regime, "regime", o.Regime, "paper: 4096 training, 512 validation and 1000 test prompts; full: all")
	fs.StringSliceVar(&o.Variants, "variants", nil, "variants to run, separated by commas; empty for all")
	fs.IntVar(&o.Seeds, "seeds", o.Seeds, "seeds of the main pair, sft and soft")
	fs.IntVar(&o.ControlSeeds, "control-seeds", o.ControlSeeds, "seeds of the others, at most --seeds")
	fs.IntVar(&o.TrainPrompts, "train-prompts", o.TrainPrompts, "training prompts, drawn anew for every seed; 0 for all, -1 for the regime's")
	fs.IntVar(&o.ValidPrompts, "valid-prompts", o.ValidPrompts, "validation prompts, the same for all; 0 for all, -1 for the regime's")
	fs.IntVar(&o.TestPrompts, "test-prompts", o.TestPrompts, "test prompts, the same for all; 0 for all, -1 for the regime's")
	fs.StringVar(&o.FilterSeen, "filter-seen", o.FilterSeen, "leave what a user had out of rankings and questions: true, false, or auto (where no user repeats items)")
	fs.IntVar(&o.Draws, "bootstrap", o.Draws, "draws of the bootstrap over users")
}

// evalTrainFlags are the flags that say how the variants are trained.
func evalTrainFlags(cmd *cobra.Command, o *experiment.Options) {
	fs := cmd.Flags()
	fs.IntVar(&o.History, "history", o.History, "newest items of a prompt")
	fs.IntVar(&o.Pieces, "pieces", o.Pieces, "word pieces of each title in a prompt; for decoders also of the titles they write")
	fs.IntVar(&o.Batch, "batch", o.Batch, "prompts per update")
	fs.IntVar(&o.Epochs, "epochs", o.Epochs, "most epochs of a training")
	fs.IntVar(&o.Patience, "patience", o.Patience, "epochs without a better validation after which a student stops")
	fs.IntVar(&o.Probe, "probe", o.Probe, "training prompts on which the distance is measured")
	fs.StringVar(&o.LR, "lr", o.LR, "learning rate of all variants; auto takes the one of --lr-grid with which sft validates best on seed 0")
	fs.Float64SliceVar(&o.LRGrid, "lr-grid", o.LRGrid, "learning rates that --lr auto tries")
	fs.StringVar(&o.MaskHistory, "mask-history", o.MaskHistory, "leave all that a user had, the target excepted, out of the training softmax: true, false, or auto (as the rankings do); decoders with --msl only")
	fs.StringVar(&o.FilterAnswers, "filter-answers", o.FilterAnswers, "leave all that a user had out of the teacher's answers: true, false, or auto (as the rankings do)")
	fs.BoolVar(&o.MSL, "msl", o.MSL, "decoders: softmax only over the tokens that lead to a title")
	fs.StringVar(&o.Answer, "answer", o.Answer, "decoders: held answers of the teacher are titles of the catalogue, free ones raw text as in the paper")
	fs.StringVar(&o.Ranking, "ranking", o.Ranking, "decoders: beams ranks by held beams, grounded by L2 nearness to the best free generation as BIGRec does, scored by the log-probability of every title (slow)")
	fs.BoolVar(&o.FromScratch, "from-scratch", o.FromScratch, "the model was made by softrec eval pretrain: train all its weights, and give it no instruction")
	fs.StringVar((*string)(&o.BF16), "bf16", string(o.BF16), "compute in bfloat16: true, false, or auto (on accelerators, not on CPUs)")
	fs.Lookup("bf16").NoOptDefVal = string(lm.BF16On)
	fs.IntVar(&o.SeqEpochs, "sequence-epochs", o.SeqEpochs, "most epochs of the variant sequence")
}
