package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Fault is one thing wrong with a configuration.
type Fault struct {
	Key    string // setting or variable; empty when the fault is not about one
	Value  string // as given; "***" for a secret
	Origin string // "file softrec.yaml", "variable SOFTREC_LOG_LEVEL", "flag --log-level" or "default"
	Reason string // what is wrong, for example "wants true or false"

	bare bool // leave the value out: it may be a secret under a misspelt name
}

// Error reads `log.level "loud": wants debug, info, warn or error (flag --log-level)`.
func (f *Fault) Error() string {
	if f.Key == "" {
		return fmt.Sprintf("%s (%s)", f.Reason, f.Origin)
	}
	if f.bare {
		return fmt.Sprintf("%s: %s (%s)", f.Key, f.Reason, f.Origin)
	}
	return fmt.Sprintf("%s %q: %s (%s)", f.Key, f.Value, f.Reason, f.Origin)
}

// Faults is every fault of a configuration, in the order of the settings.
type Faults []*Fault

// Error writes one fault a line.
func (fs Faults) Error() string {
	lines := make([]string, 0, len(fs))
	for _, f := range fs {
		lines = append(lines, f.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As every fault.
func (fs Faults) Unwrap() []error {
	errs := make([]error, 0, len(fs))
	for _, f := range fs {
		errs = append(errs, f)
	}
	return errs
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// fieldName finds the "package.field" with which a part's Validate begins its complaint.
var fieldName = regexp.MustCompile(`^(\w+)\.([\w.]+)[ :=]`)

// attribute turns a complaint of the part that owns section into a fault with the setting it is about and its origin.
func (l *layers) attribute(section string, err error) *Fault {
	text := err.Error()
	k, found := l.complainedOf(section, text)
	if !found {
		if section == "" {
			section = "top level"
		}
		return &Fault{Origin: "section " + section, Reason: text}
	}
	reason := text
	if _, after, ok := strings.Cut(text, ": "); ok {
		reason = after
	}
	return &Fault{Key: k.Path, Value: k.show(l.values[k.Path]), Origin: l.origin(k.Path), Reason: reason}
}

// complainedOf finds the setting a complaint of section is about: the one whose struct was declared in the package that
// the complaint names. It is not told apart when two structs of a package have the field.
func (l *layers) complainedOf(section, text string) (Key, bool) {
	m := fieldName.FindStringSubmatch(text)
	if m == nil {
		return Key{}, false
	}
	var found []Key
	for _, k := range l.keys {
		if k.owner == m[1] && (section == "" || k.Section() == section) && strings.HasSuffix("."+normal(k.Path), "."+normal(m[2])) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return Key{}, false
	}
	return found[0], true
}

// normal makes SessionTimeout, session_timeout and sessionTimeout alike.
func normal(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }
