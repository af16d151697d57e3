package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/retrieval"
	"github.com/softrec/softrec/trainer/model/textlive"
)

// liveVersion as a VERSION means the live snapshot.
const liveVersion = "live"

func newModelsExport(env Env) *cobra.Command {
	var folder, base string
	cmd := modelCommand(env, "export VERSION", "Write the language model's adapter of a snapshot as a folder of the PEFT library", cobra.ExactArgs(1),
		func(ctx context.Context, m *app.Models, args []string) error {
			version, err := versionOf(ctx, m, args[0])
			if err != nil {
				return err
			}
			if err := exportAdapter(ctx, m, version, folder, base, env.Out); err != nil {
				return fmt.Errorf("export %s: %w", version, err)
			}
			return nil
		})
	cmd.Long = "Writes adapter_config.json and adapter_model.safetensors, which PeftModel.from_pretrained(model, DIR) loads onto the base model, and text.adapter takes.\n" +
		"VERSION may be live. A residual on the item vectors (text.machine.retrieval.item_adapter) has no place in PEFT: it is left out, and the output says so."
	cmd.Example = "  softrec models export live --peft ./adapter --data-dir ./data --model ./minilm"
	cmd.Flags().StringVar(&folder, "peft", "", "folder to write; it must be empty or not there")
	cmd.Flags().StringVar(&base, "model", "", "language model that the adapter is for, as in text.model, which is taken when this is empty: the name that PEFT finds in the folder")
	return cmd
}

// versionOf reads a VERSION argument.
func versionOf(ctx context.Context, m *app.Models, arg string) (string, error) {
	if arg != liveVersion {
		return arg, nil
	}
	version, err := m.Registry.Current(ctx)
	if err == nil && version == "" {
		err = errors.New("no snapshot is live")
	}
	return version, err
}

// exportAdapter writes the adapter of a snapshot to folder.
func exportAdapter(ctx context.Context, m *app.Models, version, folder, base string, out io.Writer) error {
	if err := vacant(folder); err != nil {
		return err
	}
	_, files, err := m.Store.Read(ctx, version)
	if err != nil {
		return err
	}
	b, err := ranker.Decode(files)
	if err != nil {
		return err
	}
	switch {
	case b.TextModel == "":
		return errors.New("the snapshot has no adapter: it reads no language model (trainer.learner text makes those that do)")
	case b.Adapter == nil:
		return errors.New("the snapshot has no adapter: it reads the language model untuned")
	}
	name, err := baseName(ctx, cmp.Or(base, m.TextModel()), b.TextModel)
	if err != nil {
		return err
	}
	adapter, items := retrieval.Split(b.Adapter)
	if err := lora.ExportPEFT(folder, adapter, name); err != nil {
		return err
	}
	return reportExport(out, folder, name, adapter, items)
}

// vacant refuses a folder that holds something.
func vacant(folder string) error {
	if folder == "" {
		return errors.New(`--peft "": want the folder to write`)
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--peft %q: %w", folder, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("--peft %q: the folder is not empty", folder)
	}
	return nil
}

// baseName is what PEFT is told of the base model: the hub's name, or the folder. A folder that is here must hold the model that the
// snapshot was made with.
func baseName(ctx context.Context, model, want string) (string, error) {
	name, isHub := strings.CutPrefix(model, "hf:")
	if model == "" || isHub {
		name, _, _ = strings.Cut(name, "@") // a revision is no part of the name
		return name, nil
	}
	dir, err := fetch.Resolve(ctx, model, fetch.Options{Offline: true})
	if err != nil {
		return "", fmt.Errorf("text.model: %w", err)
	}
	got, err := textlive.ModelName(dir)
	if err != nil {
		return "", fmt.Errorf("text.model: %w", err)
	}
	if got != want {
		return "", fmt.Errorf("text.model %q: it is the model %s, the snapshot's adapter is for %s", model, got, want)
	}
	return filepath.Abs(dir) // whoever reads it stands elsewhere
}

// reportExport says what was written, and what was not.
func reportExport(out io.Writer, folder, base string, adapter, items *lora.Adapter) error {
	_, err := fmt.Fprintf(out, "%s: rank %d on %d layers\n", folder, adapter.Config.Rank, len(adapter.Modules))
	if err == nil && items != nil {
		_, err = fmt.Fprintf(out, "left out: %s, the residual on the item vectors, for which PEFT has no place: with this folder histories are encoded as by the snapshot, "+
			"items are scored without it\n", retrieval.ItemModule)
	}
	if err == nil && base == "" {
		_, err = fmt.Fprintln(out, "base_model_name_or_path is empty: name the language model with --model or text.model to have it filled")
	}
	return err
}
