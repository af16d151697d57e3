package hf

import (
	"encoding/json"
	"fmt"
)

// refuse names the first setting that softrec does not compute. A setting that is present but not in use passes.
func (r rawConfig) refuse(f Family) error {
	switch {
	case present(r.Quantization):
		return fmt.Errorf("config.json: quantization_config is not supported: use the model's unquantised weights")
	case r.IsDecoder || r.CrossAttention:
		return fmt.Errorf("config.json: is_decoder %t, add_cross_attention %t: only plain encoders and plain decoders are supported", r.IsDecoder, r.CrossAttention)
	case f == FamilyBERT && r.PositionKind != "absolute":
		return fmt.Errorf("config.json: position_embedding_type %q is not supported, only absolute", r.PositionKind)
	case r.Partial != nil && *r.Partial != 1:
		return fmt.Errorf("config.json: partial_rotary_factor %v is not supported, only 1", *r.Partial)
	}
	for i, kind := range r.LayerTypes {
		if kind != "full_attention" {
			return fmt.Errorf("config.json: layer_types[%d] is %q, only full_attention is supported", i, kind)
		}
	}
	if f == FamilyQwen2 && r.windowInUse() {
		return fmt.Errorf("config.json: use_sliding_window is true with sliding_window %d: windowed attention is not supported", *r.SlidingWindow)
	}
	return nil
}

// windowInUse reports whether any layer of a Qwen2 attends to a window only: those from max_window_layers on.
func (r rawConfig) windowInUse() bool {
	if !r.UseSlidingWindow || r.SlidingWindow == nil || len(r.LayerTypes) > 0 {
		return false
	}
	first := 28 // Qwen2Config's default
	if r.MaxWindowLayers != nil {
		first = *r.MaxWindowLayers
	}
	return first < r.Layers
}

// activation gives one name to each function transformers has several names for.
func activation(name string) (string, error) {
	switch name {
	case "gelu", "relu", "silu", "gelu_new":
		return name, nil
	case "gelu_pytorch_tanh":
		return "gelu_new", nil
	case "swish":
		return "silu", nil
	}
	return "", fmt.Errorf("config.json: hidden_act %q is not supported, only gelu, gelu_new, gelu_pytorch_tanh, relu and silu", name)
}

// storedAs names the number type of the weights, transformers 5's field first. It informs only: every tensor carries its own.
func storedAs(names ...string) string {
	for _, n := range names {
		switch n {
		case "float32", "float16", "bfloat16":
			return n
		}
	}
	return ""
}

// idList reads a token id, a list of them or null.
func idList(field string, text json.RawMessage, vocab int) ([]int32, error) {
	if !present(text) {
		return nil, nil
	}
	var ids []int32
	var one int32
	if json.Unmarshal(text, &one) == nil {
		ids = []int32{one}
	} else if json.Unmarshal(text, &ids) != nil {
		return nil, fmt.Errorf("config.json: %s is %.40s, want a token id or a list of them", field, text)
	}
	if len(ids) == 1 && ids[0] == -1 { // what some older files write for none
		return nil, nil
	}
	for _, id := range ids {
		if id < 0 || int(id) >= vocab {
			return nil, fmt.Errorf("config.json: %s holds %d, want an id below vocab_size %d", field, id, vocab)
		}
	}
	return ids, nil
}
