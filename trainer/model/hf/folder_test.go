package hf

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const oneTensor = `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`

func TestOpen_shards(t *testing.T) {
	other := strings.Replace(oneTensor, `"a"`, `"b"`, 1)
	files := func(index map[string]string) map[string]any {
		return map[string]any{
			"config.json": "{" + encoder + "}", "model.safetensors.index.json": map[string]any{"weight_map": index},
			"model-1.safetensors": packed(oneTensor, []byte{0, 0, 128, 63}), "model-2.safetensors": packed(other, []byte{0, 0, 0, 64}),
			"again.safetensors": packed(oneTensor, []byte("0000")),
		}
	}
	f, err := Open(folder(t, files(map[string]string{"a": "model-1.safetensors", "b": "model-2.safetensors"})))
	if err != nil {
		t.Fatal(err)
	}
	a, errA := f.Tensor("a")
	b, errB := f.Tensor("b")
	if errA != nil || errB != nil || a.Data[0] != 1 || b.Data[0] != 2 || !reflect.DeepEqual(f.Names(), []string{"a", "b"}) {
		t.Errorf("a %v %v, b %v %v, names %v", a, errA, b, errB, f.Names())
	}
	for says, index := range map[string]map[string]string{
		"does not hold":          {"a": "model-1.safetensors", "c": "model-1.safetensors"},
		"as well":                {"a": "model-1.safetensors", "b": "again.safetensors"},
		"file of the same":       {"a": "../model-1.safetensors"},
		"no such file":           {"a": "model-3.safetensors"},
		"weight_map is empty":    {},
		"want a file of the sam": {"a": ".."},
	} {
		if _, err := Open(folder(t, files(index))); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("index %v: %v, want an error with %q", index, err, says)
		}
	}
}

func TestOpen_refuses(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("an empty folder: %v", err)
	}
	dir := folder(t, map[string]any{"config.json": "{" + encoder + "}", "pytorch_model.bin": ""})
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "other formats") {
		t.Errorf("a folder without safetensors: %v", err)
	}
	dir = folder(t, map[string]any{"config.json": "{" + encoder + "}", "model.safetensors": packed(oneTensor, nil)})
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "model.safetensors") {
		t.Errorf("damaged weights: %v", err)
	}
}

// The ids that end a text are those of both files, config.json's first.
func TestOpen_generationConfig(t *testing.T) {
	f, err := Open(folder(t, map[string]any{"config.json": "{" + decoder + `,"eos_token_id":7}`, "generation_config.json": `{"eos_token_id":[2,7]}`,
		"model.safetensors": packed(oneTensor, []byte("0000"))}))
	if err != nil || !reflect.DeepEqual(f.Config.EOS, []int32{7, 2}) {
		t.Errorf("%v, %v", f, err)
	}
}

func TestPooling(t *testing.T) {
	const types = "sentence_transformers.models."
	modules := []map[string]string{{"type": types + "Transformer", "path": ""}, {"type": types + "Pooling", "path": "1_Pooling"}, {"type": types + "Normalize", "path": "2_Normalize"}}
	for _, c := range []struct {
		files map[string]any
		want  Pooling
		says  string
	}{
		{map[string]any{}, Pooling{}, ""},
		{map[string]any{"1_Pooling/config.json": `{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false,"word_embedding_dimension":8}`}, Pooling{Mode: "cls"}, ""},
		{map[string]any{"modules.json": modules, "1_Pooling/config.json": `{"pooling_mode_mean_tokens":true}`, "sentence_bert_config.json": `{"max_seq_length":256}`},
			Pooling{"mean", true, 256}, ""},
		{map[string]any{"modules.json": modules[:2], "1_Pooling/config.json": `{"pooling_mode":"lasttoken","include_prompt":true}`, "sentence_bert_config.json": `{"max_seq_length":null}`},
			Pooling{Mode: "last"}, ""},
		{map[string]any{"1_Pooling/config.json": `{"pooling_mode_weightedmean_tokens":true}`}, Pooling{}, `"weightedmean_tokens"`},
		{map[string]any{"1_Pooling/config.json": `{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true}`}, Pooling{}, "2 pooling modes"},
		{map[string]any{"modules.json": append(modules[:2:2], map[string]string{"type": types + "Dense", "path": "2_Dense"}), "1_Pooling/config.json": `{"pooling_mode":"mean"}`}, Pooling{}, "Dense"},
		{map[string]any{"modules.json": []map[string]string{{"type": types + "Transformer", "path": "../x"}}}, Pooling{}, "leaves the folder"},
		{map[string]any{"modules.json": modules, "1_Pooling/config.json": `{"pooling_mode":"mean"}`, "sentence_bert_config.json": `{"max_seq_length":0}`}, Pooling{}, "max_seq_length is 0"},
	} {
		got, err := readPooling(folder(t, c.files))
		if c.says == "" && (err != nil || got != c.want) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v: %+v, %v, want %+v or an error with %q", c.files, got, err, c.want, c.says)
		}
	}
}

func TestOpen_minilm(t *testing.T) {
	dir := os.Getenv("SOFTREC_MINILM")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "testdata", "weights", "minilm")
	}
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		t.Skip("MiniLM is not here: make weights fetches it, SOFTREC_MINILM names another folder")
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := f.Config
	if c.Family != FamilyBERT || c.Layers != 6 || c.Hidden != 384 || c.Vocab != 30522 || f.Pooling != (Pooling{"mean", true, 256}) {
		t.Errorf("%+v, %+v", c, f.Pooling)
	}
	if n := len(f.Names()); n != 103 {
		t.Errorf("%d weights, want 103", n)
	}
	for _, name := range f.Names() {
		w, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range w.Data {
			if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 100 {
				t.Fatalf("%s holds %v", name, v)
			}
		}
	}
}
