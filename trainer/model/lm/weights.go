package lm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/hf"
)

// spec is one tensor of the base. Its name is the one PEFT uses: BERT without the checkpoint's "bert.", decoders with "model.".
type spec struct {
	name   string
	stored string // in the folder
	shape  []int  // in the folder: out x in for matrices
}

// linear reports a matrix that multiplies activations. It lies on the device as in x out, which saves a transpose where the compiler does not
// choose the order itself.
func (s spec) linear() bool {
	return len(s.shape) == 2 && strings.HasSuffix(s.name, ".weight") &&
		!strings.HasPrefix(s.name, "embeddings.") && s.name != tokenTable
}

// tokenTable is the decoders' token embedding, Vocab x Hidden; tied models read their logits from it too.
const tokenTable = "model.embed_tokens.weight" // #nosec G101 -- the name of a tensor

// specsOf lists the tensors that the family uses, sorted by name, and checks that all are there with the right shape.
func specsOf(f *hf.Folder) ([]spec, error) {
	want, err := family(f.Config)
	if err != nil {
		return nil, err
	}
	stored := map[string]string{}
	for _, n := range f.Names() {
		stored[canonical(f.Config.Family, n)] = n
	}
	var out []spec
	for name, shape := range want {
		n, ok := stored[name]
		if !ok {
			return nil, fmt.Errorf("tensor %q is not in the checkpoint", name)
		}
		out = append(out, spec{name, n, shape})
	}
	slices.SortFunc(out, func(a, b spec) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// canonical is the name of a checkpoint's tensor without the prefixes that some exports add or leave out.
func canonical(fam hf.Family, name string) string {
	if fam == hf.FamilyBERT {
		name = strings.TrimPrefix(name, "bert.")
		// The earliest BERT checkpoints say gamma and beta.
		name = strings.Replace(name, "LayerNorm.gamma", "LayerNorm.weight", 1)
		return strings.Replace(name, "LayerNorm.beta", "LayerNorm.bias", 1)
	}
	if strings.HasPrefix(name, "model.") || strings.HasPrefix(name, "lm_head.") {
		return name
	}
	return "model." + name
}

// family lists the tensors of an architecture by name, with their shapes in the checkpoint.
func family(c hf.Config) (map[string][]int, error) {
	switch c.Family {
	case hf.FamilyBERT:
		return bertTensors(c)
	case hf.FamilyLlama, hf.FamilyQwen2:
		return decoderTensors(c)
	default:
		return nil, fmt.Errorf("model family %q: want %s, %s or %s", c.Family, hf.FamilyBERT, hf.FamilyLlama, hf.FamilyQwen2)
	}
}

// upload reads a tensor and moves it to the device, where it stays.
func (b *Base) upload(f *hf.Folder, s spec) (*tensors.Tensor, error) {
	t, err := f.Tensor(s.stored)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", s.name, err)
	}
	if !slices.Equal(t.Shape, s.shape) {
		return nil, fmt.Errorf("tensor %q has shape %v: want %v", s.name, t.Shape, s.shape)
	}
	data, shape := t.Data, t.Shape
	if s.linear() {
		data, shape = transpose(data, shape[0], shape[1]), []int{shape[1], shape[0]}
	}
	up := tensors.FromFlatDataAndDimensions(data, shape...)
	if b.matrixType() == dtypes.BFloat16 && len(shape) == 2 {
		up = tensors.FromFlatDataAndDimensions(toBF16(data), shape...)
	}
	if err := protect(func() error { return up.ToDevice(b.backend, 0) }); err != nil {
		return nil, fmt.Errorf("tensor %q: move to the device: %w", s.name, err)
	}
	return up, nil
}

// matrixType is the type of matrices and activations.
func (b *Base) matrixType() dtypes.DType {
	if b.opts.BF16 == BF16On {
		return dtypes.BFloat16
	}
	return dtypes.Float32
}

func transpose(data []float32, rows, cols int) []float32 {
	out := make([]float32, len(data))
	for r := range rows {
		for c, v := range data[r*cols : (r+1)*cols] {
			out[c*rows+r] = v
		}
	}
	return out
}

func toBF16(data []float32) []bfloat16.BFloat16 {
	out := make([]bfloat16.BFloat16, len(data))
	for i, v := range data {
		out[i] = bfloat16.FromFloat32(v)
	}
	return out
}
