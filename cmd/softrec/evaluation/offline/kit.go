package offline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// Kit is what the models that compute with tensors work with.
type Kit struct {
	Backend string                                                                     // "xla", "go" or, where none was needed, empty
	Engine  func(cfg seqtrain.Config) (*seqtrain.Engine, error)                        // the caller closes it
	Encode  func(ctx context.Context, texts []string) (vectors [][]float32, err error) // unit vectors; nil without a language model
	Close   func() error
}

// OpenKit makes the kit that options need.
type OpenKit func(ctx context.Context, o Options) (*Kit, error)

// OpenBackend opens kits on the backend of cfg, and the encoder of Options.Model where one is named.
func OpenBackend(cfg backend.Config, opts fetch.Options, log *slog.Logger) OpenKit {
	return func(ctx context.Context, o Options) (*Kit, error) {
		be, info, err := backend.Open(cfg, log)
		if err != nil {
			return nil, err
		}
		kit := &Kit{
			Backend: info.Name, Close: func() error { be.Finalize(); return nil },
			Engine: func(c seqtrain.Config) (*seqtrain.Engine, error) { return seqtrain.NewEngine(be, c) },
		}
		if o.Model == "" {
			return kit, nil
		}
		dir, err := fetch.Resolve(ctx, o.Model, opts)
		if err != nil {
			return nil, errors.Join(err, kit.Close())
		}
		f, err := hf.Open(dir)
		if err != nil {
			return nil, errors.Join(err, kit.Close())
		}
		if f.Config.Family != hf.FamilyBERT {
			return nil, errors.Join(fmt.Errorf("model %s: want an encoder of the BERT family to read titles", o.Model), kit.Close())
		}
		base, err := lm.Load(be, f, lm.Options{})
		if err != nil {
			return nil, errors.Join(err, kit.Close())
		}
		kit.Close = func() error { base.Close(); be.Finalize(); return nil }
		tok, err := tokens.Open(dir)
		if err != nil {
			return nil, errors.Join(err, kit.Close())
		}
		enc, err := encoder.New(base, tok, f.Pooling, encoder.DefaultConfig())
		if err != nil {
			return nil, errors.Join(err, kit.Close())
		}
		kit.Encode = func(ctx context.Context, texts []string) ([][]float32, error) {
			ids := make([][]int32, len(texts))
			for i, t := range texts {
				ids[i] = tok.EncodePlain(t)
			}
			return enc.Encode(ctx, nil, ids)
		}
		return kit, nil
	}
}
