package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/softrec/softrec/schema"
)

// Limits of one Spec.
const (
	MaxBoosts      = 16
	MaxPins        = 50
	MaxCaps        = 64
	MaxSeenRules   = 16
	MaxExclude     = 10_000 // item ids
	MaxPosition    = 1_000  // of a pin
	MaxFactor      = 1e6    // of a boost; the least is its inverse
	MaxSeedLen     = schema.MaxIDLen
	AnyCategory    = "*" // in Caps: every category
	ExploreSoftmax = "softmax"
	ExploreUniform = "uniform"
)

// Spec is what a list should be like: a request's body, a placement, or both put together (see Over). What is absent is nil
// or zero and says nothing.
type Spec struct {
	Placement  string         `json:"placement,omitempty"`  // the named set of rules this one goes over
	N          int            `json:"n,omitempty"`          // items wanted
	Categories []string       `json:"categories,omitempty"` // only items of any of these
	Exclude    []string       `json:"exclude,omitempty"`    // item ids to leave out
	FilterSeen *Seen          `json:"filter_seen,omitempty"`
	Filter     string         `json:"filter,omitempty"` // an Expression each item must match
	Boosts     []Boost        `json:"boosts,omitempty"`
	Caps       map[string]int `json:"caps,omitempty"`       // items of a category at most, on one page; AnyCategory for each of the others
	MMRLambda  *float64       `json:"mmr_lambda,omitempty"` // 1: relevance alone, 0: only unlike what stands above
	Explore    *Explore       `json:"explore,omitempty"`
	Pins       []Pin          `json:"pins,omitempty"`
	MinScore   *float64       `json:"min_score,omitempty"` // items below it are left out, boosts counted
	Paged      bool           `json:"paged,omitempty"`     // the answer has a token for the next page
	After      string         `json:"after,omitempty"`     // the token of the page before
	Explain    bool           `json:"explain,omitempty"`
}

// Boost multiplies the odds of the items that match, or divides them with a factor below 1.
type Boost struct {
	When   string  `json:"when"`   // an Expression
	Factor float64 `json:"factor"` // above 0
}

// Explore gives places to items that would not have got them.
type Explore struct {
	Share       float64 `json:"share"`                 // probability that a place is drawn, 0 to 1
	By          string  `json:"by,omitempty"`          // ExploreSoftmax (the default) or ExploreUniform
	Temperature float64 `json:"temperature,omitempty"` // of the softmax over scores; 1 when absent
	Seed        string  `json:"seed,omitempty"`        // decides the draws; the answer's recommendation id when absent
}

// Pin puts an item at a place.
type Pin struct {
	Item     string `json:"item"`
	Position int    `json:"position"` // from 1, counted over all pages
}

// DecodeSpec reads the JSON form of a Spec, strictly: a misspelt rule must not be passed over. Its values are checked by
// Validate.
func DecodeSpec(b []byte) (Spec, error) {
	var s Spec
	if err := schema.CheckJSONText("rules", b); err != nil {
		return Spec{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Spec{}, err
	}
	if dec.More() {
		return Spec{}, errors.New("more than one JSON value")
	}
	return s, nil
}

// Over returns s with what it leaves open taken from base: each field that s has replaces the whole of base's.
func (s Spec) Over(base Spec) Spec {
	out := base
	out.Placement, out.After, out.Paged, out.Explain = s.Placement, s.After, s.Paged || base.Paged, s.Explain || base.Explain
	if s.N != 0 {
		out.N = s.N
	}
	if s.Filter != "" {
		out.Filter = s.Filter
	}
	if s.Categories != nil {
		out.Categories = s.Categories
	}
	if s.Exclude != nil {
		out.Exclude = s.Exclude
	}
	if s.FilterSeen != nil {
		out.FilterSeen = s.FilterSeen
	}
	if s.Boosts != nil {
		out.Boosts = s.Boosts
	}
	if s.Caps != nil {
		out.Caps = s.Caps
	}
	if s.MMRLambda != nil {
		out.MMRLambda = s.MMRLambda
	}
	if s.Explore != nil {
		out.Explore = s.Explore
	}
	if s.Pins != nil {
		out.Pins = s.Pins
	}
	if s.MinScore != nil {
		out.MinScore = s.MinScore
	}
	return out
}

// Validate reports every fault but those of expressions and tokens, each as a *schema.FieldError, joined.
func (s Spec) Validate() error {
	var errs []error
	fault := func(field, value, reason string, args ...any) {
		errs = append(errs, &schema.FieldError{Field: field, Value: short(value), Reason: fmt.Sprintf(reason, args...)})
	}
	many := func(field string, have, limit int) {
		if have > limit {
			fault(field, strconv.Itoa(have), "has too many entries, at most %d are allowed", limit)
		}
	}
	within := func(field string, v, low, high float64) {
		if math.IsNaN(v) || v < low || v > high {
			fault(field, fmt.Sprint(v), "want %v to %v", low, high)
		}
	}
	id := func(field, v string) {
		var f *schema.FieldError
		if errors.As(schema.CheckItemID(v), &f) {
			fault(field, f.Value, "%s", f.Reason)
		}
	}
	if s.N < 0 || s.N > schema.MaxAnswerItems {
		fault("n", strconv.Itoa(s.N), "want 1 to %d", schema.MaxAnswerItems)
	}
	many("exclude", len(s.Exclude), MaxExclude)
	for i, v := range s.Exclude[:min(len(s.Exclude), MaxExclude)] {
		id(fmt.Sprintf("exclude[%d]", i), v)
	}
	many("categories", len(s.Categories), schema.MaxCategories)
	for i, v := range s.Categories[:min(len(s.Categories), schema.MaxCategories)] {
		id(fmt.Sprintf("categories[%d]", i), v)
	}
	many("boosts", len(s.Boosts), MaxBoosts)
	for i, b := range s.Boosts {
		if math.IsNaN(b.Factor) || b.Factor < 1/MaxFactor || b.Factor > MaxFactor {
			fault(fmt.Sprintf("boosts[%d].factor", i), fmt.Sprint(b.Factor), "want %v to %v", 1/MaxFactor, float64(MaxFactor))
		}
	}
	many("caps", len(s.Caps), MaxCaps)
	for c, most := range s.Caps {
		id("caps", c)
		if most < 0 || most > schema.MaxAnswerItems {
			fault("caps["+short(c)+"]", strconv.Itoa(most), "want 0 to %d", schema.MaxAnswerItems)
		}
	}
	if s.MMRLambda != nil {
		within("mmr_lambda", *s.MMRLambda, 0, 1)
	}
	if s.MinScore != nil && (math.IsNaN(*s.MinScore) || math.IsInf(*s.MinScore, 0)) {
		fault("min_score", fmt.Sprint(*s.MinScore), "is not a finite number")
	}
	if e := s.Explore; e != nil {
		within("explore.share", e.Share, 0, 1)
		if !slices.Contains([]string{"", ExploreSoftmax, ExploreUniform}, e.By) {
			fault("explore.by", e.By, "want %s or %s", ExploreSoftmax, ExploreUniform)
		}
		if e.Temperature != 0 {
			within("explore.temperature", e.Temperature, 1e-3, 1e3)
		}
		if len(e.Seed) > MaxSeedLen {
			fault("explore.seed", e.Seed, "is %d bytes long, at most %d are allowed", len(e.Seed), MaxSeedLen)
		}
	}
	many("pins", len(s.Pins), MaxPins)
	items, places := map[string]bool{}, map[int]bool{}
	for i, p := range s.Pins {
		field := fmt.Sprintf("pins[%d].", i)
		id(field+"item", p.Item)
		if p.Position < 1 || p.Position > MaxPosition {
			fault(field+"position", strconv.Itoa(p.Position), "want 1 to %d", MaxPosition)
		}
		if items[p.Item] {
			fault(field+"item", p.Item, "is pinned twice")
		}
		if places[p.Position] {
			fault(field+"position", strconv.Itoa(p.Position), "has another pin")
		}
		items[p.Item], places[p.Position] = true, true
	}
	if s.FilterSeen != nil {
		many("filter_seen", len(*s.FilterSeen), MaxSeenRules)
	}
	return errors.Join(errs...)
}

// short bounds what an error repeats of a value.
func short(v string) string {
	const most = 64
	r := []rune(v)
	if len(r) <= most {
		return v
	}
	return string(r[:most]) + "…"
}
