package hf

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// Pooling says how a sentence encoder turns token vectors into one vector (the modules of sentence-transformers).
type Pooling struct {
	Mode      string // "mean", "cls", "max" or "last"; "" when the folder does not say
	Normalize bool   // scale to unit length after pooling
	MaxTokens int    // longest text the encoder was made for, special tokens included; 0 when the folder does not say
}

// readPooling follows modules.json; without one it takes 1_Pooling/config.json, and without that there is no pooling.
func readPooling(dir string) (Pooling, error) {
	var modules []struct {
		Type string `json:"type"`
		Path string `json:"path"`
	}
	found, err := readJSON(dir, "modules.json", &modules)
	if err != nil {
		return Pooling{}, err
	}
	var p Pooling
	if !found {
		p.Mode, err = poolingMode(dir, "1_Pooling")
		return p, err
	}
	for i, m := range modules {
		if m.Path != "" && !filepath.IsLocal(filepath.FromSlash(m.Path)) {
			return Pooling{}, fmt.Errorf("modules.json: path %q leaves the folder", m.Path)
		}
		switch kind := m.Type[strings.LastIndexByte(m.Type, '.')+1:]; {
		case kind == "Transformer" && i == 0:
			p.MaxTokens, err = maxTokens(dir, m.Path)
		case kind == "Pooling" && p.Mode == "":
			p.Mode, err = poolingMode(dir, m.Path)
		case kind == "Normalize":
			p.Normalize = true
		default:
			err = fmt.Errorf("modules.json: module %d is %q, only Transformer, Pooling and Normalize are supported, in this order", i, m.Type)
		}
		if err != nil {
			return Pooling{}, err
		}
	}
	return p, nil
}

// poolingMode reads the config of a pooling module; "" when the folder has none.
func poolingMode(dir, module string) (string, error) {
	name := path.Join(module, "config.json")
	var raw map[string]any
	found, err := readJSON(dir, name, &raw)
	if err != nil || !found {
		return "", err
	}
	const prefix = "pooling_mode"
	var on []string
	for key, v := range raw { // one flag per mode, or since sentence-transformers 5.2 the mode's name
		if s, isText := v.(string); isText && key == prefix {
			on = append(on, s)
		} else if set, isFlag := v.(bool); isFlag && set && strings.HasPrefix(key, prefix+"_") {
			on = append(on, strings.TrimPrefix(key, prefix+"_"))
		}
	}
	if len(on) != 1 {
		return "", fmt.Errorf("%s: %d pooling modes are set, want one", name, len(on))
	}
	switch on[0] {
	case "mean", "mean_tokens":
		return "mean", nil
	case "cls", "cls_token":
		return "cls", nil
	case "max", "max_tokens":
		return "max", nil
	case "lasttoken":
		return "last", nil
	}
	return "", fmt.Errorf("%s: pooling mode %q is not supported, only mean, cls, max and lasttoken", name, on[0])
}

// maxTokens reads the length limit of the transformer module.
func maxTokens(dir, module string) (int, error) {
	name := path.Join(module, "sentence_bert_config.json")
	var raw struct {
		MaxTokens *int `json:"max_seq_length"`
	}
	if _, err := readJSON(dir, name, &raw); err != nil {
		return 0, err
	}
	if raw.MaxTokens == nil {
		return 0, nil
	}
	if *raw.MaxTokens < 1 || *raw.MaxTokens > maxSize {
		return 0, fmt.Errorf("%s: max_seq_length is %d, want at least 1", name, *raw.MaxTokens)
	}
	return *raw.MaxTokens, nil
}
