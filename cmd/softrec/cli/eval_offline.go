package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/cmd/softrec/evaluation/offline"
)

func newEvalOffline(env Env) (*cobra.Command, error) {
	o := offline.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "offline",
		Short: "Evaluate models by leave-last-out, to stand beside the figures of papers",
		Long: "Takes every user's last item as the test and the last but one as the validation (or the parts that a column split names), ranks the whole\n" +
			"catalogue less what the user had, and writes result.json, tables and a report to --out. The protocol leaks along the global clock: it says\n" +
			"how a model compares with papers, not how good a live recommender is. That is what softrec eval stream is for.\n\n" +
			"A network trains until its validation stops getting better, --epochs or --minutes: without an XLA plugin a small one is trained, as the pure-Go\n" +
			"backend is several times slower.\n\n" +
			"Models: " + strings.Join(offline.ModelNames(), ", ") + " (text with --model only).",
		Example: "  softrec eval offline --interactions log.tsv.zst --items items.tsv.zst --out ./offline\n" +
			"  softrec eval offline --interactions log.tsv.zst --items items.tsv.zst --models popularity,transitions,ranker --seeds 1 --minutes 5 --out ./quick",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Filled().Validate(); err != nil {
				return err
			}
			loaded, log, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			open := offline.OpenBackend(loaded.Config.Backend, app.FetchOptions(loaded.Config.Text, log), log)
			res, err := offline.Execute(cmd.Context(), o, open, log)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, offline.Summary(res))
			return err
		},
	}
	evalOfflineFlags(cmd, &o)
	return cmd, settings(cmd, "log", "backend")
}

func evalOfflineFlags(cmd *cobra.Command, o *offline.Options) {
	fs := cmd.Flags()
	fs.StringVar(&o.Interactions, "interactions", "", "log: tab-separated text with the columns user, item and timestamp (or pos), and split (train, valid, test) if there is one")
	fs.StringVar(&o.Items, "items", "", "catalogue with the column item, and title if there is one; empty for none")
	fs.StringVar(&o.Model, "model", "", "Hugging Face folder of an encoder (BERT), or hf:owner/name: titles then speak in text and ranker")
	fs.StringVar(&o.Out, "out", "", "folder of the results")
	fs.StringSliceVar(&o.Models, "models", nil, "models to evaluate, separated by commas; empty for all")
	fs.IntVar(&o.Seeds, "seeds", o.Seeds, "seeds of the models that train")
	fs.Float64Var(&o.Minutes, "minutes", o.Minutes, "longest training of one network")
	fs.IntVar(&o.Epochs, "epochs", o.Epochs, "most epochs of one network; it stops earlier when its validation stops getting better")
	fs.IntVar(&o.SoftEpochs, "soft-epochs", o.SoftEpochs, "epochs of SOFT's teacher and of its student, sft gets as much compute as both together; 0 for as many as the network alone needed within --minutes")
	fs.IntVar(&o.Watch, "watch", o.Watch, "validation users that decide when a network stops; 0 for all")
	names, help := offline.NetworkNames()
	fs.StringSliceVar(&o.Networks, "networks", nil, "ablation: variants of the network to train beside it, each a model sequence-NAME, and ranker-NAME where the ranker can read it: "+strings.Join(names, ", "))
	cmd.Long += "\n\nVariants for --networks, of which validation alone may choose:\n  " + strings.Join(help, "\n  ")
	fs.StringVar(&o.Size, "size", "", "network: large (64 floats, two layers, up to 200 items) or small (48, one layer, 50: the product's); empty for large with an XLA plugin")
	fs.Float64Var(&o.Share, "train-share", o.Share, "share of the users whose training part is learnt from, for the low-data regime; all are asked")
	fs.IntVar(&o.Draws, "bootstrap", o.Draws, "draws of the bootstrap over users")
}
