package arms

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
)

// MaxArms is how many arms, and how many shadows, a Book may have: each is a label of metrics.
const MaxArms = 16

// LiveModel names, as an arm's model, the one the trainer has made live.
const LiveModel = "live"

// Ranking is how an arm ranks.
type Ranking string

// The rankings of an arm.
const (
	RankingModel   Ranking = "model"   // the whole model, the default
	RankingCounts  Ranking = "counts"  // its counts alone: no network and no language model
	RankingPopular Ranking = "popular" // its popularity alone
)

// Arm is one variant.
type Arm struct {
	Name    string      `json:"name"`
	Share   float64     `json:"share"`             // of the users; of a shadow: of the logged answers
	Model   string      `json:"model,omitempty"`   // a snapshot's version, or LiveModel; empty is LiveModel
	Ranking Ranking     `json:"ranking,omitempty"` // empty is RankingModel
	Rules   *rules.Spec `json:"rules,omitempty"`   // under those of a request, over those of its placement
}

// Pinned returns the version of the snapshot that a answers with, "" for the live model.
func (a *Arm) Pinned() string {
	if a.Model == LiveModel {
		return ""
	}
	return a.Model
}

// Book is an experiment: who gets which arm. Users that no arm has a share of have schema.DefaultArm, the live model as it is.
type Book struct {
	Salt    string `json:"salt"`
	Arms    []*Arm `json:"arms"`
	Shadows []*Arm `json:"shadows,omitempty"`
}

// Decode reads the JSON form of a Book, strictly, and reports every fault, each naming its arm and field. compile checks rules as a
// request's would be.
func Decode(text []byte, compile func(rules.Spec) error) (*Book, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	b := &Book{}
	if err := dec.Decode(b); err != nil {
		return nil, fmt.Errorf("want an object with salt, arms and shadows: %w", err)
	}
	if dec.More() {
		return nil, errors.New("more than one JSON value")
	}
	if i := slices.Index(slices.Concat(b.Arms, b.Shadows), nil); i >= 0 {
		return nil, fmt.Errorf("arms and shadows: entry %d is null: want an object", i+1)
	}
	errs := []error{b.check("arms", b.Arms, compile), b.check("shadows", b.Shadows, compile)}
	sum := 0.0
	for _, a := range b.Arms {
		sum += a.Share
	}
	if sum > 1+1e-9 {
		errs = append(errs, fmt.Errorf("arms: shares sum up to %g: want at most 1, the rest has the arm %s", sum, schema.DefaultArm))
	}
	if len(b.Arms)+len(b.Shadows) == 0 {
		errs = append(errs, errors.New("arms, shadows: want at least one arm"))
	}
	for _, a := range slices.Concat(b.Arms, b.Shadows) {
		if a.Rules != nil {
			a.Rules.Exclude = slices.Clip(a.Rules.Exclude) // requests append to it
		}
	}
	return b, errors.Join(errs...)
}

func (b *Book) check(field string, all []*Arm, compile func(rules.Spec) error) error {
	var errs []error
	if len(all) > MaxArms {
		errs = append(errs, fmt.Errorf("%s: %d entries: want at most %d", field, len(all), MaxArms))
	}
	names := map[string]bool{schema.DefaultArm: true, schema.OlderArms: true}
	for i, a := range all {
		fault := func(part string, value any, want string) {
			errs = append(errs, fmt.Errorf("%s[%d].%s %v: want %s", field, i, part, value, want))
		}
		switch {
		case schema.CheckItemID(a.Name) != nil:
			fault("name", fmt.Sprintf("%.64q", a.Name), "a name of 1 to 128 bytes")
		case names[a.Name]:
			fault("name", fmt.Sprintf("%q", a.Name), "a name that no other arm has; "+schema.DefaultArm+" is the arm of the users left, "+schema.OlderArms+" stands in totals for arms of before")
		}
		names[a.Name] = true
		if math.IsNaN(a.Share) || a.Share < 0 || a.Share > 1 {
			fault("share", a.Share, "0 to 1")
		}
		if !slices.Contains([]Ranking{"", RankingModel, RankingCounts, RankingPopular}, a.Ranking) {
			fault("ranking", fmt.Sprintf("%q", a.Ranking), "model, counts or popular")
		}
		if a.Model != "" && schema.CheckItemID(a.Model) != nil {
			fault("model", fmt.Sprintf("%.64q", a.Model), "a version or live")
		}
		if r := a.Rules; r != nil {
			if r.After != "" || r.Paged || r.Placement != "" {
				fault("rules", "", "no after, paged or placement: they belong to requests")
			} else if err := compile(*r); err != nil {
				errs = append(errs, fmt.Errorf("%s[%d].rules: %w", field, i, err))
			}
		}
	}
	return errors.Join(errs...)
}

// Of returns the arm of a user, nil for schema.DefaultArm.
func (b *Book) Of(user string) *Arm {
	at := point(b.Salt, "arm", user)
	for _, a := range b.Arms {
		if at < a.Share {
			return a
		}
		at -= a.Share
	}
	return nil
}

// Named returns the arm of that name; nil without error for schema.DefaultArm.
func (b *Book) Named(name string) (*Arm, error) {
	if name == schema.DefaultArm {
		return nil, nil
	}
	if i := slices.IndexFunc(b.Arms, func(a *Arm) bool { return a.Name == name }); i >= 0 {
		return b.Arms[i], nil
	}
	return nil, fmt.Errorf("there is no arm %.64q", name)
}

// Shadowing returns the shadows of one answer, drawn by its id, each by its own share.
func (b *Book) Shadowing(answer string) []*Arm {
	var all []*Arm
	for _, a := range b.Shadows {
		if a.Share > 0 && point(b.Salt, "shadow\x00"+a.Name, answer) < a.Share {
			all = append(all, a)
		}
	}
	return all
}

// point is a number from 0 to 1, as good as drawn, that depends on the texts alone.
func point(salt, what, name string) float64 {
	sum := sha256.Sum256([]byte("softrec arms\x00" + salt + "\x00" + what + "\x00" + name))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}
