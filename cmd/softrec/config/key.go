package config

import (
	"fmt"
	gopath "path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/titles"
)

// EnvPrefix starts the name of every environment variable softrec reads.
const EnvPrefix = "SOFTREC_"

// Key is one setting: a leaf of the configuration struct.
type Key struct {
	Path    string // koanf path, for example "kafka.session_timeout"
	Help    string // one line from the help tag
	Default any    // value before any layer is applied
	Secret  bool   // never show the value

	typ   reflect.Type
	name  string // path that flag and variable are made from
	owner string // package that declares the setting
}

// secretType marks the settings whose values are hidden.
var secretType = reflect.TypeFor[Secret]()

// durationType is told apart from the other int64 settings.
var durationType = reflect.TypeFor[time.Duration]()

// switchTypes, texts that are auto, true or false, are told apart from other texts: files say true and false without quotes, and the flag
// alone means true.
var switchTypes = []reflect.Type{reflect.TypeFor[lm.BF16](), reflect.TypeFor[titles.LeaveOut]()}

// statedDefault is the "(default x)" or ", default x" with which a help tag may end. The value comes from the defaults themselves, so
// that no text can go stale beside it.
var statedDefault = regexp.MustCompile(`(\s*\(default [^)]*\)|[,;] default .*)$`)

// Flag is the name of the command-line flag without its dashes, for example "kafka-session-timeout".
func (k Key) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(k.name) }

// Env is the name of the environment variable, for example "SOFTREC_KAFKA_SESSION_TIMEOUT".
func (k Key) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// Section is the first step of the path, or nothing for a setting of the top level.
func (k Key) Section() string {
	if section, _, ok := strings.Cut(k.Path, "."); ok {
		return section
	}
	return ""
}

// in reports whether the setting stands in a section or a part of one, "" being the top level.
func (k Key) in(section string) bool {
	return k.Section() == section || section != "" && strings.HasPrefix(k.Path, section+".")
}

// Kind names the sort of value the setting takes, as it stands in help texts.
func (k Key) Kind() string {
	switch {
	case k.typ == durationType:
		return "duration"
	case slices.Contains(switchTypes, k.typ):
		return "switch"
	case k.typ.Kind() == reflect.Slice:
		return "list"
	case k.typ.Kind() == reflect.Int, k.typ.Kind() == reflect.Int64:
		return "int"
	case k.typ.Kind() == reflect.Float64:
		return "number"
	default:
		return k.typ.Kind().String()
	}
}

// Keys lists the settings of the struct def in the order of its fields; def holds the defaults. A field without a
// koanf tag is not a setting, nor is one of a nested struct that its omit tag names; one that its bare tag names has flag and variable without the
// section (--pjrt-plugin). It is an error when a field has no help, a kind that cannot be set from text, or when
// two settings would share a flag or a variable.
func Keys(def any) ([]Key, error) {
	keys, err := appendKeys(nil, "", "", reflect.ValueOf(def))
	if err != nil {
		return nil, err
	}
	flags, envs := map[string]string{}, map[string]string{}
	for _, k := range keys {
		if other, taken := flags[k.Flag()]; taken {
			return nil, fmt.Errorf("settings %s and %s share the flag --%s", other, k.Path, k.Flag())
		}
		if other, taken := envs[k.Env()]; taken {
			return nil, fmt.Errorf("settings %s and %s share the variable %s", other, k.Path, k.Env())
		}
		flags[k.Flag()], envs[k.Env()] = k.Path, k.Path
	}
	return keys, nil
}

func appendKeys(keys []Key, prefix string, tags reflect.StructTag, v reflect.Value) ([]Key, error) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag := f.Tag.Get("koanf")
		if tag == "" || tag == "-" || tag == tags.Get("omit") || !f.IsExported() {
			continue
		}
		path := prefix + tag
		if f.Type.Kind() == reflect.Struct {
			var err error
			if keys, err = appendKeys(keys, path+".", f.Tag, v.Field(i)); err != nil {
				return nil, err
			}
			continue
		}
		if !settable(f.Type) {
			return nil, fmt.Errorf("setting %s has the kind %s, which no flag can set", path, f.Type)
		}
		help := f.Tag.Get("help")
		if help == "" {
			return nil, fmt.Errorf("setting %s has no help tag", path)
		}
		name := path
		if tag == tags.Get("bare") {
			name = tag
		}
		keys = append(keys, Key{Path: path, Help: statedDefault.ReplaceAllString(help, ""), Default: v.Field(i).Interface(), Secret: f.Type == secretType, typ: f.Type, name: name, owner: gopath.Base(v.Type().PkgPath())})
	}
	return keys, nil
}

func settable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String
	default:
		return false
	}
}
