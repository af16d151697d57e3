package config

import (
	"fmt"
	"strings"
)

// Loaded is a configuration with the knowledge of where each setting came from.
type Loaded struct {
	Config Config

	layers *layers
}

// Load lays the sources over the defaults. The error is a Faults value with everything that is wrong, or says why the
// settings themselves are badly declared. The result is not nil when the error is a Faults value: it holds what could
// be read, so that a caller can still log as asked.
func Load(src Sources) (*Loaded, error) {
	cfg, l, err := load(Default(), src)
	if err != nil {
		return nil, err
	}
	loaded := &Loaded{Config: cfg, layers: l}
	if len(l.faults) > 0 {
		return loaded, l.faults
	}
	return loaded, nil
}

// Origins returns which layer set each setting that is not at its default.
func (l *Loaded) Origins() Origins { return l.layers.origins }

// Chosen lists the settings of a part ("text.machine") that the file, the environment or a flag has set, to whatever value, by their
// paths below it.
func (l *Loaded) Chosen(part string) map[string]bool {
	chosen := map[string]bool{}
	for path, origin := range l.layers.origins {
		if below, ok := strings.CutPrefix(path, part+"."); ok && origin != presetOrigin {
			chosen[below] = true
		}
	}
	return chosen
}

// Effective returns the settings and their values as text, secrets hidden, for showing over HTTP.
func (l *Loaded) Effective() map[string]string {
	all := make(map[string]string, len(l.layers.keys))
	for _, k := range l.layers.keys {
		all[k.Path] = k.show(l.layers.merged.Get(k.Path))
	}
	return all
}

// complaint builds the error of a setting of this package, in the form all parts use.
func complaint(field string, value any, want string) error {
	return fmt.Errorf("config.%s %v: %s", field, value, want)
}

// oneOf complains unless value is among the wanted ones.
func oneOf(field, value string, wanted ...string) error {
	for _, w := range wanted {
		if value == w {
			return nil
		}
	}
	last := len(wanted) - 1
	return complaint(field, value, "wants "+strings.Join(wanted[:last], ", ")+" or "+wanted[last])
}
