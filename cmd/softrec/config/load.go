package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// ConfigEnv names the variable that gives the path of the YAML file when --config does not.
const ConfigEnv = EnvPrefix + "CONFIG"

// PythonEnv names the variable with a Python that has torch, for `softrec bench` to compare with. It is no setting.
const PythonEnv = EnvPrefix + "PYTHON"

// FromEnviron is the origin of a variable that is no setting.
const FromEnviron = "environment"

// Sources says where a configuration is read from.
type Sources struct {
	Preset  map[string]string // key path -> text: what a command changes about the defaults
	File    string            // YAML file; empty for none
	Environ []string          // "NAME=value", as os.Environ gives it; only SOFTREC_* are looked at
	Flags   map[string]string // flag name without dashes -> text, only the flags that were given
}

// Origins says which layer set a setting: key path -> "file x.yaml", "variable ...", "flag ...". A setting without an
// entry has its default.
type Origins map[string]string

// layers gathers values and faults while the layers are laid over one another.
type layers struct {
	keys    []Key
	merged  *koanf.Koanf
	values  map[string]any // last value given per key, for showing
	origins Origins
	faults  Faults
}

// load lays the sources over def, which also defines the settings. The faults cover all layers; the struct is then
// what could be read.
func load[T any](def T, src Sources) (T, *layers, error) {
	keys, err := Keys(def)
	if err != nil {
		return def, nil, err
	}
	l := &layers{keys: keys, merged: koanf.New("."), values: map[string]any{}, origins: Origins{}}
	for _, k := range keys {
		l.values[k.Path] = k.Default
		if err := l.merged.Set(k.Path, k.Default); err != nil {
			return def, nil, fmt.Errorf("set the default of %s: %w", k.Path, err)
		}
	}
	l.addPreset(src.Preset)
	l.addFile(src.File)
	l.addEnviron(src.Environ)
	l.addFlags(src.Flags)
	out := def
	if err := l.merged.UnmarshalWithConf("", &out, koanf.UnmarshalConf{Tag: "koanf"}); err != nil {
		return def, nil, fmt.Errorf("fill the configuration: %w", err)
	}
	l.validate(reflect.ValueOf(out))
	return out, l, nil
}

// presetOrigin is the origin of what no user has set.
const presetOrigin = "preset of the command"

func (l *layers) addPreset(preset map[string]string) {
	flat := map[string]any{}
	for path, value := range preset {
		flat[path] = value
	}
	l.addMap(flat, func(string) string { return presetOrigin })
}

// addFile reads the YAML file. A file that cannot be read is one fault; its keys are then all missing.
func (l *layers) addFile(path string) {
	if path == "" {
		return
	}
	origin := "file " + path
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		l.faults = append(l.faults, &Fault{Origin: origin, Reason: "cannot be read: " + strings.ReplaceAll(err.Error(), "\n ", "")})
		return
	}
	l.addMap(k.All(), func(string) string { return origin })
}

// addEnviron takes the SOFTREC_* variables. The name of a variable is looked up among the names of all settings, so
// that SOFTREC_KAFKA_CLIENT_ID can only mean kafka.client_id. What Kubernetes adds by itself is passed over.
func (l *layers) addEnviron(environ []string) {
	byEnv := map[string]Key{}
	for _, k := range l.keys {
		byEnv[k.Env()] = k
	}
	flat := map[string]any{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, EnvPrefix) || name == ConfigEnv || name == PythonEnv {
			continue
		}
		if k, known := byEnv[name]; known {
			flat[k.Path] = value
		} else if !isServiceLink(name, value) {
			l.faults = append(l.faults, &Fault{Key: name, Origin: FromEnviron, Reason: "is not a variable softrec knows", bare: true})
		}
	}
	l.addMap(flat, func(path string) string { return "variable " + l.key(path).Env() })
}

func (l *layers) addFlags(flags map[string]string) {
	byFlag := map[string]Key{}
	for _, k := range l.keys {
		byFlag[k.Flag()] = k
	}
	flat := map[string]any{}
	for name, value := range flags {
		flat[byFlag[name].Path] = value // flags were made from the keys, the parser refused all others
	}
	l.addMap(flat, func(path string) string { return "flag --" + l.key(path).Flag() })
}

// addMap checks and converts one layer and lays it over the others.
func (l *layers) addMap(flat map[string]any, origin func(path string) string) {
	byPath := map[string]Key{}
	for _, k := range l.keys {
		byPath[k.Path] = k
	}
	good := map[string]any{}
	for _, path := range slices.Sorted(maps.Keys(flat)) {
		raw := flat[path]
		k, known := byPath[path]
		if !known {
			if fault := l.unknown(path, raw); fault != nil {
				fault.Origin = origin(path)
				l.faults = append(l.faults, fault)
			}
			continue
		}
		value, err := k.convert(raw)
		if err != nil {
			l.faults = append(l.faults, &Fault{Key: path, Value: k.show(raw), Origin: origin(path), Reason: err.Error()})
			continue
		}
		good[path] = value
		l.values[path] = value
		l.origins[path] = origin(path)
	}
	// The values are of the settings' own types, so laying them over cannot fail.
	_ = l.merged.Load(confmap.Provider(good, "."), nil)
}

// unknown says what is wrong with a path that is no setting; an empty section is not a fault.
func (l *layers) unknown(path string, raw any) *Fault {
	section := slices.ContainsFunc(l.keys, func(k Key) bool { return strings.HasPrefix(k.Path, path+".") })
	if !section {
		return &Fault{Key: path, Reason: "is not a known key", bare: true}
	}
	if m, isMap := raw.(map[string]any); raw == nil || isMap && len(m) == 0 {
		return nil
	}
	return &Fault{Key: path, Value: fmt.Sprint(raw), Reason: "is a section: put its keys below it"}
}

// validator is what the Config of a part offers.
type validator interface{ Validate() error }

// filler is a configuration that is complete only at run time; Filled stands in for what is not known before.
type filler interface{ Filled() any }

// validate asks every part, and the whole, for complaints and adds where the values came from.
func (l *layers) validate(v reflect.Value) {
	if f, ok := v.Interface().(filler); ok {
		v = reflect.ValueOf(f.Filled())
	}
	if whole, ok := v.Interface().(validator); ok {
		for _, err := range flatten(whole.Validate()) {
			l.faults = append(l.faults, l.attribute("", err))
		}
	}
	for i := range v.NumField() {
		section := v.Type().Field(i).Tag.Get("koanf")
		part, ok := v.Field(i).Interface().(validator)
		if !ok || section == "" {
			continue
		}
		for _, err := range flatten(part.Validate()) {
			l.faults = append(l.faults, l.attribute(section, err))
		}
	}
}

// key returns the setting at path, which exists.
func (l *layers) key(path string) Key {
	return l.keys[slices.IndexFunc(l.keys, func(k Key) bool { return k.Path == path })]
}

func (l *layers) origin(path string) string {
	if o, set := l.origins[path]; set {
		return o
	}
	return "default"
}
