package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// OpenFolder opens the model of Options.Model on the backend of cfg: an encoder or a decoder, as its config.json says. It is an error to ask an
// encoder for what only decoders do.
func OpenFolder(cfg backend.Config, opts fetch.Options, log *slog.Logger) Open {
	return func(ctx context.Context, o Options, c Catalogue) (*Kit, error) {
		dir, err := fetch.Resolve(ctx, o.Model, opts)
		if err != nil {
			return nil, err
		}
		f, err := hf.Open(dir)
		if err != nil {
			return nil, err
		}
		kind := kindOf(f)
		if kind == kindEncoder {
			if err := o.writes(); err != nil {
				return nil, err
			}
		}
		tok, err := tokens.Open(dir)
		if err != nil {
			return nil, err
		}
		digest, err := DigestFolder(dir)
		if err != nil {
			return nil, err
		}
		be, info, err := backend.Open(cfg, log)
		if err != nil {
			return nil, err
		}
		if info.Name != "xla" {
			silent(log).Warn("no XLA plugin: the Go backend trains several times slower, and a whole experiment takes very long; see --pjrt-plugin", "backend", info.Reason)
		}
		compute := o.Machine.Compute
		compute.BF16 = o.BF16
		base, err := lm.Load(be, f, compute)
		if err != nil {
			be.Finalize()
			return nil, err
		}
		kit := &Kit{
			Kind: kind, Backend: info.Name, BF16: base.Options().BF16, Digest: digest, Close: func() error { base.Close(); be.Finalize(); return nil },
			Sequence: func() (*seqtrain.Engine, error) { return seqtrain.NewEngine(be, sequenceTraining(c)) },
		}
		if kind == kindEncoder {
			kit.Model, err = newEncoderModel(ctx, base, f, tok, o, c)
		} else {
			kit.Model, err = newDecoderModel(ctx, base, tok, o, c)
		}
		if err != nil {
			return nil, errors.Join(err, kit.Close())
		}
		return kit, nil
	}
}

// KindOf says whether Options.Model is an encoder or a decoder, as With wants to know it.
func KindOf(ctx context.Context, model string, opts fetch.Options) (string, error) {
	dir, err := fetch.Resolve(ctx, model, opts)
	if err != nil {
		return "", err
	}
	f, err := hf.Open(dir)
	if err != nil {
		return "", err
	}
	return kindOf(f), nil
}

func kindOf(f *hf.Folder) string {
	if f.Config.Family == hf.FamilyBERT {
		return kindEncoder
	}
	return kindDecoder
}

// DigestFolder names the content of a model folder: everything that decides over what the model says.
func DigestFolder(dir string) (string, error) {
	sum := sha256.New()
	for _, pattern := range []string{"*.json", "*.safetensors", "*/config.json"} {
		names, err := fs.Glob(os.DirFS(dir), pattern) // dir is no pattern
		if err != nil {
			return "", err
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintln(sum, path.Base(name))
			if err := addFile(sum, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
				return "", fmt.Errorf("digest of the model: %w", err)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

func addFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
