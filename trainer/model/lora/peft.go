package lora

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/softrec/softrec/trainer/model/hf"
)

// Files and key parts of the PEFT library's adapter folder.
const (
	peftConfigFile  = "adapter_config.json"
	peftWeightsFile = "adapter_model.safetensors"
	peftPrefix      = "base_model.model."
	peftA, peftB    = ".lora_A.weight", ".lora_B.weight"
)

// peftConfig holds the fields of adapter_config.json that softrec writes and reads.
type peftConfig struct {
	PeftType    string  `json:"peft_type"`
	TaskType    *string `json:"task_type"`
	BaseModel   string  `json:"base_model_name_or_path"`
	Rank        int     `json:"r"`
	Alpha       float64 `json:"lora_alpha"`
	Dropout     float64 `json:"lora_dropout"`
	Targets     any     `json:"target_modules"` // a list of names or one regular expression
	Bias        string  `json:"bias"`
	RSLora      bool    `json:"use_rslora"`
	Inference   bool    `json:"inference_mode"`
	InitWeights any     `json:"init_lora_weights"`
}

// ExportPEFT writes the adapter as a folder that the PEFT library loads onto base, the name or folder of the model it
// was trained on. The leading "bert." of a checkpoint is left off, because PEFT meets a BERT encoder as BertModel, which
// has none. An adapter with Full has no such form.
func ExportPEFT(dir string, a *Adapter, base string) error {
	if err := exportPEFT(dir, a, base); err != nil {
		return fmt.Errorf("export adapter for PEFT: %w", err)
	}
	return nil
}

func exportPEFT(dir string, a *Adapter, base string) error {
	if err := a.Check(); err != nil {
		return err
	}
	if a.Config.Full {
		return errors.New("all weights were trained: there are no low-rank factors")
	}
	tensors := make(map[string]hf.Tensor, 2*len(a.Modules))
	names := make([]string, len(a.Modules))
	for i, m := range a.Modules {
		names[i] = strings.TrimPrefix(m.Name, "bert.")
		key := peftPrefix + names[i]
		tensors[key+peftA] = hf.Tensor{Shape: []int{a.Config.Rank, m.In}, Data: a.A[i]}
		tensors[key+peftB] = hf.Tensor{Shape: []int{m.Out, a.Config.Rank}, Data: a.B[i]}
	}
	cfg := peftConfig{
		PeftType: "LORA", BaseModel: base, Rank: a.Config.Rank, Alpha: a.Config.Alpha, Dropout: a.Config.Dropout,
		Targets: names, Bias: "none", Inference: true, InitWeights: true,
	}
	head, err := json.MarshalIndent(cfg, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := writeWeights(filepath.Join(dir, peftWeightsFile), tensors); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, peftConfigFile), append(head, '\n'), 0o644)
}

func writeWeights(path string, tensors map[string]hf.Tensor) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(hf.WriteSafetensors(f, tensors, map[string]string{"format": "pt"}), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", peftWeightsFile, err)
	}
	return nil
}
