package lora

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// packed takes a safetensors file apart: its table of contents, with every tensor's name, number type, shape and place, and the bytes of
// the tensors. Names are as inside BertModel also where PEFT met it as the "bert." of another model.
func packed(t *testing.T, dir string) (table map[string]any, data []byte) {
	t.Helper()
	all, err := os.ReadFile(filepath.Join(dir, peftWeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	end := 8 + binary.LittleEndian.Uint64(all)
	var stored map[string]any
	if err := json.Unmarshal(all[8:end], &stored); err != nil {
		t.Fatal(err)
	}
	table = make(map[string]any, len(stored))
	for name, v := range stored {
		table[strings.Replace(name, peftPrefix+"bert.", peftPrefix, 1)] = v
	}
	return table, all[end:]
}

// fields reads adapter_config.json.
func fields(t *testing.T, dir string) (out map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, peftConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// scaling is what PEFT multiplies an update by.
func scaling(cfg map[string]any) float64 {
	r := cfg["r"].(float64)
	if cfg["use_rslora"] == true {
		r = math.Sqrt(r)
	}
	return cfg["lora_alpha"].(float64) / r
}

// TestExportPEFT_isWhatPEFTWrites: an adapter that the PEFT library saved, read and written here, is its own file again: the same names,
// number types, shapes and places of the same bytes, and a configuration that says the same.
func TestExportPEFT_isWhatPEFTWrites(t *testing.T) {
	for _, dir := range append(fixtures(t), "testdata/rslora") {
		a, err := ImportPEFT(dir, modulesOf(t, dir, ""))
		if err != nil {
			t.Fatal(err)
		}
		theirs := fields(t, dir)
		base, _ := theirs["base_model_name_or_path"].(string)
		out := t.TempDir()
		if err := ExportPEFT(out, a, base); err != nil {
			t.Fatal(err)
		}
		wantTable, wantData := packed(t, dir)
		gotTable, gotData := packed(t, out)
		if !reflect.DeepEqual(gotTable, wantTable) {
			t.Errorf("%s: table of contents\n%v, PEFT wrote\n%v", dir, gotTable, wantTable)
		}
		if !bytes.Equal(gotData, wantData) {
			t.Errorf("%s: the tensors' %d bytes are not the %d that PEFT wrote", dir, len(gotData), len(wantData))
		}
		sameMeaning(t, dir, fields(t, out), theirs)
	}
}

// sameMeaning compares the configuration written here with PEFT's.
func sameMeaning(t *testing.T, dir string, ours, theirs map[string]any) {
	t.Helper()
	for name, v := range ours {
		want, known := theirs[name]
		switch {
		case !known:
			t.Errorf("%s: PEFT knows no field %s", dir, name)
		case name == "target_modules": // whole paths here, their ends there
			ends := map[any]bool{}
			for _, path := range v.([]any) {
				ends[path.(string)[strings.LastIndexByte(path.(string), '.')+1:]] = true
			}
			for _, end := range want.([]any) {
				if !ends[end] {
					t.Errorf("%s: target_modules %v, PEFT wrote %v", dir, v, want)
				}
				delete(ends, end)
			}
			if len(ends) > 0 {
				t.Errorf("%s: target_modules %v, PEFT wrote %v", dir, v, want)
			}
		case name == "lora_alpha" || name == "use_rslora":
			if got, want := scaling(ours), scaling(theirs); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: the update is scaled by %v, by PEFT's file by %v", dir, got, want)
			}
		case name == "init_lora_weights": // whether true or plain, of no weight once there are weights
		case name == "base_model_name_or_path" && want == nil && v == "":
		case !reflect.DeepEqual(v, want):
			t.Errorf("%s: %s %v, PEFT wrote %v", dir, name, v, want)
		}
	}
	harmless := []string{"auto_mapping", "megatron_core", "peft_version", "qalora_group_size"} // change no weight's meaning
	for name, v := range theirs {
		if _, written := ours[name]; !written && !isUnset(v) && !slices.Contains(harmless, name) {
			t.Errorf("%s: PEFT wrote %s %v, which is left out here", dir, name, v)
		}
	}
}
