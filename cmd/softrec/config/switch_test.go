package config

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Files, variables and flags of before the setting knew auto keep their meaning.
func TestLoad_bf16(t *testing.T) {
	file := func(value string) Sources {
		return Sources{File: write(t, "text:\n  machine:\n    compute:\n      bf16: "+value+"\n")}
	}
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	if err := Bind(fs, "text"); err != nil {
		t.Fatal(err)
	}
	if err := fs.Parse([]string{"--text-machine-compute-bf16"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		src  Sources
		want lm.BF16
	}{
		{"default", Sources{}, lm.BF16Auto}, {"true", file("true"), lm.BF16On}, {"false", file("false"), lm.BF16Off}, {"auto", file("auto"), lm.BF16Auto},
		{"quoted", file("'false'"), lm.BF16Off}, {"variable", Sources{Environ: []string{"SOFTREC_TEXT_MACHINE_COMPUTE_BF16=true"}}, lm.BF16On},
		{"bare flag", Sources{Flags: Given(fs)}, lm.BF16On},
	} {
		loaded, err := Load(c.src)
		if err != nil || loaded.Config.Text.Machine.Compute.BF16 != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, loaded.Config.Text.Machine.Compute.BF16, err, c.want)
			continue
		}
		text, err := loaded.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Load(Sources{File: write(t, text)}); err != nil || again.Config.Text.Machine.Compute.BF16 != c.want {
			t.Errorf("%s, printed and read again: %v", c.name, err)
		}
	}
}

// The same words say whether what a user had is left out; they were true and false alone once.
func TestLoad_leaveOut(t *testing.T) {
	for value, want := range map[string]titles.LeaveOut{"": titles.LeaveOutAuto, "true": titles.LeaveOutAlways, "false": titles.LeaveOutNever, "auto": titles.LeaveOutAuto} {
		var src Sources
		if value != "" {
			src.File = write(t, "text:\n  machine:\n    retrieval:\n      filter_history: "+value+"\n    generative:\n      filter_history: "+value+"\n")
		}
		loaded, err := Load(src)
		if err != nil {
			t.Fatal(err)
		}
		if m := loaded.Config.Text.Machine; m.Retrieval.FilterHistory != want || m.Generative.FilterHistory != want {
			t.Errorf("%q in a file comes to %q and %q", value, m.Retrieval.FilterHistory, m.Generative.FilterHistory)
		}
	}
	src := Sources{Environ: []string{"SOFTREC_TEXT_MACHINE_RETRIEVAL_MASK_HISTORY=sometimes"}}
	if _, err := Load(src); err == nil || !strings.Contains(err.Error(), "wants auto, true or false") {
		t.Errorf("error %v", err)
	}
}
