package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestKeys_ofTheWholeConfiguration(t *testing.T) {
	keys, err := Keys(Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if strings.HasSuffix(k.Help, ".") || strings.Contains(k.Help, "\n") {
			t.Errorf("help of %s is not one line without a full stop: %q", k.Path, k.Help)
		}
		if k.Path != strings.ToLower(k.Path) || strings.Contains(k.Path, "-") {
			t.Errorf("%s is not in snake case", k.Path)
		}
	}
}

func TestDefault_isValid(t *testing.T) {
	if _, err := Load(Sources{}); err != nil {
		t.Errorf("the defaults are refused:\n%v", err)
	}
}

func TestKeys_refusesBadDeclarations(t *testing.T) {
	type inner struct {
		B int `koanf:"b" help:"b"`
	}
	cases := map[string]struct {
		def  any
		want string
	}{
		"no help": {struct {
			A int `koanf:"a"`
		}{}, "setting a has no help tag"},
		"a kind no text can set": {struct {
			A map[string]int `koanf:"a" help:"a"`
		}{}, "setting a has the kind map[string]int, which no flag can set"},
		"two ways to one flag": {struct {
			A  inner `koanf:"a"`
			AB int   `koanf:"a_b" help:"a_b"`
		}{}, "settings a.b and a_b share the flag --a-b"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Keys(c.def); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// all holds one setting of every kind.
type all struct {
	Text     string        `koanf:"text" help:"t"`
	Yes      bool          `koanf:"yes" help:"t"`
	Int      int           `koanf:"int" help:"t"`
	Big      int64         `koanf:"big" help:"t"`
	Seed     uint64        `koanf:"seed" help:"t"`
	Float    float64       `koanf:"float" help:"t"`
	Duration time.Duration `koanf:"duration" help:"t"`
	List     []string      `koanf:"list" help:"t"`
	Secret   Secret        `koanf:"secret" help:"t"`
	Part     part          `koanf:"part"`
	Skipped  chan int
}

type part struct {
	MaxSize int `koanf:"max_size" help:"t (default 3)"`
}

func (p part) Validate() error {
	if p.MaxSize < 1 {
		return errors.Join(errors.New("config.MaxSize 0: want at least 1"), errors.New("all is lost"))
	}
	return nil
}

func TestLoad_everyKind(t *testing.T) {
	file := write(t, "text: x\nyes: true\nint: -3\nbig: 9007199254740993\nseed: 18446744073709551615\nfloat: 2\nduration: 90s\nlist: []\nsecret: s\npart: {max_size: 4}\n")
	want := all{Text: "x", Yes: true, Int: -3, Big: 9007199254740993, Seed: 18446744073709551615, Float: 2, Duration: 90 * time.Second, List: []string{}, Secret: "s", Part: part{4}}
	got, l, err := load(all{}, Sources{File: file})
	if err != nil || len(l.faults) > 0 {
		t.Fatal(err, l.faults)
	}
	if got.Text != want.Text || got.Yes != want.Yes || got.Int != want.Int || got.Big != want.Big || got.Seed != want.Seed || got.Float != want.Float ||
		got.Duration != want.Duration || got.List == nil || len(got.List) != 0 || got.Secret != want.Secret || got.Part != want.Part {
		t.Errorf("got %#v", got)
	}
	texts := map[string]string{"text": "x", "yes": "true", "int": "-3", "big": "9007199254740993", "seed": "18446744073709551615", "float": "2e0",
		"duration": "1m30s", "list": "", "secret": "s", "part-max-size": "4"}
	got, l, err = load(all{List: []string{"default"}}, Sources{Flags: texts})
	if err != nil || len(l.faults) > 0 {
		t.Fatal(err, l.faults)
	}
	if got.Seed != want.Seed || got.Big != want.Big || got.Float != 2 || got.Duration != want.Duration || len(got.List) != 0 || got.Part != want.Part {
		t.Errorf("from text got %#v", got)
	}
}

func TestValidate_complaintsOfAPartGetTheirOrigin(t *testing.T) {
	_, l, err := load(all{}, Sources{Environ: []string{"SOFTREC_PART_MAX_SIZE=0"}})
	if err != nil {
		t.Fatal(err)
	}
	want := "part.max_size \"0\": want at least 1 (variable SOFTREC_PART_MAX_SIZE)\nall is lost (section part)"
	if got := l.faults.Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
