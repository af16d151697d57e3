package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// claimed is what any file of an experiment says of the settings it is of; result.json says of data and model, too.
type claimed struct {
	Settings string         `json:"settings"`
	Data     map[string]any `json:"data"`
	Model    map[string]any `json:"model"`
}

// claim refuses a folder that holds the result or runs of other settings: nobody's runs are lost by a mistyped folder. Trainings count only where
// there is nothing else: those of other settings that were left behind in a folder of these are as good as absent.
func (r *runner) claim(settings string) error {
	refuse := func(what, there, more string) error {
		return fmt.Errorf("--out %q: %s of other settings (%s, these are %s%s); name another folder or remove it", r.o.Out, what, there, settings, more)
	}
	var result claimed
	ok, err := readJSON(filepath.Join(r.o.Out, "result.json"), &result)
	if err != nil {
		return err
	}
	if ok && result.Settings != settings {
		mine, err := r.result(kept{})
		if err != nil {
			return err
		}
		return refuse("holds the results", result.Settings, differences(result, mine))
	}
	for _, dir := range []string{filepath.Join(r.o.Out, "runs"), filepath.Join(r.o.Out, "runs", "weights")} {
		files, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--out %q: %w", r.o.Out, err)
		}
		for _, f := range files {
			if filepath.Ext(f.Name()) != ".json" {
				continue
			}
			var run claimed
			there, err := readJSON(filepath.Join(dir, f.Name()), &run)
			if err != nil {
				return err
			}
			if there && run.Settings != settings {
				return refuse(f.Name()+" is", run.Settings, "")
			}
			ok = ok || there
		}
		if ok {
			return nil
		}
	}
	return nil
}

// differences names what two results of different settings say of data and model; empty where they say the same.
func differences(there claimed, mine *Result) string {
	text, err := json.Marshal(mine)
	var here claimed
	if errors.Join(err, json.Unmarshal(text, &here)) != nil {
		return "" // the folder is refused all the same
	}
	var out []string
	for _, part := range [][2]map[string]any{{there.Data, here.Data}, {there.Model, here.Model}} {
		all := maps.Clone(part[1])
		maps.Copy(all, part[0])
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if x, y := part[0][name], part[1][name]; name != "backends" && !reflect.DeepEqual(x, y) {
				out = append(out, fmt.Sprintf("%s is %s there and %s here", name, said(x), said(y)))
			}
		}
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, ", ")
}

// said is a value of result.json in words.
func said(value any) string {
	if value == nil {
		return "not said"
	}
	return fmt.Sprint(value)
}
