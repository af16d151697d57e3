package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
)

// defaultPlacement is the rules of requests that choose none.
const defaultPlacement = "default"

// keptExpressions bounds the compiled expressions a server keeps, bytes: some thousand usual ones, fifty of the largest.
const keptExpressions = 16 << 20

// ruleBook is the named rules of a server and the compiler of all rules. It is never changed.
type ruleBook struct {
	compiler *rules.Compiler
	named    map[string]rules.Spec
	fallback *rules.Spec // of requests that choose none; nil mostly
}

// newRuleBook reads the placements in file, "" for none.
func newRuleBook(file string) (*ruleBook, error) {
	b := &ruleBook{compiler: rules.NewCompiler(keptExpressions)}
	if file == "" {
		return b, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("serve.placements: %w", err)
	}
	if err := b.decode(text); err != nil {
		return nil, fmt.Errorf("serve.placements %s: %w", file, err)
	}
	return b, nil
}

// decode reads an object of specs by name and checks each as a request would be.
func (b *ruleBook) decode(text []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return fmt.Errorf("want an object of rules by name: %w", err)
	}
	b.named = make(map[string]rules.Spec, len(raw))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		spec, err := rules.DecodeSpec(raw[name])
		switch {
		case err != nil:
		case spec.After != "" || spec.Placement != "":
			err = errors.New("after and placement belong to requests")
		case schema.CheckItemID(name) != nil:
			err = schema.CheckItemID(name)
		default:
			_, err = b.compiler.Compile(spec)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		b.named[name] = spec
	}
	if spec, ok := b.named[defaultPlacement]; ok {
		b.fallback = &spec
	}
	return errors.Join(errs...)
}

// complete returns spec over the placement it names, or over the default.
func (b *ruleBook) complete(spec rules.Spec) (rules.Spec, error) {
	if spec.Placement == "" {
		if b.fallback == nil {
			return spec, nil
		}
		return spec.Over(*b.fallback), nil
	}
	base, ok := b.named[spec.Placement]
	if !ok {
		reason := "there is no such placement; this server has none"
		if len(b.named) > 0 {
			reason = "there is no such placement; known are " + strings.Join(slices.Sorted(maps.Keys(b.named)), ", ")
		}
		return rules.Spec{}, &schema.FieldError{Field: "placement", Value: spec.Placement[:min(len(spec.Placement), 64)], Reason: reason}
	}
	return spec.Over(base), nil
}
