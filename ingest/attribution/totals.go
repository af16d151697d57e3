package attribution

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/softrec/softrec/schema"
)

// totals are those of one bucket. Rev grows with every write and stands first in the stored form: comparing the beginning is
// comparing everything.
type totals struct {
	Rev     int64            `json:"rev"`
	Applied map[string]int64 `json:"applied"`           // newest record by stream and partition
	Offered map[int64]int64  `json:"offered,omitempty"` // answers that came, by slice of time, those that were left out included
	// Forgotten is when users were forgotten, Unix ms by hash of their ids, as long as an impression from before may come, and ForgottenBefore
	// the same for everybody.
	Forgotten       map[uint64]int64      `json:"forgotten,omitempty"`
	ForgottenBefore int64                 `json:"forgotten_before,omitempty"`
	Models          []string              `json:"models"`              // versions told apart, the one that was used last at the end
	Names           []string              `json:"arm_names,omitempty"` // arms told apart, likewise; earlier builds drop them
	Arms            []schema.ArmTotals    `json:"arms"`
	Sources         []schema.SourceTotals `json:"sources"`
}

// maxArms is how many arms are told apart. Anybody may write impressions, and each arm has rows of its own in every bucket.
const maxArms = 64

// armKey and sourceKey name rows.
type armKey struct {
	arm, model string
	shadow     bool
}

type sourceKey struct {
	arm, model string
	source     schema.Source
}

// change is what a batch adds to totals, and to the metrics once it is written.
type change struct {
	arms     map[armKey]schema.ArmTotals
	sources  map[sourceKey]schema.SourceTotals
	outcomes map[string]int
}

func newChange() change {
	return change{arms: map[armKey]schema.ArmTotals{}, sources: map[sourceKey]schema.SourceTotals{}, outcomes: map[string]int{}}
}

func (c change) arm(k armKey, add func(*schema.ArmTotals)) {
	row := c.arms[k]
	add(&row)
	c.arms[k] = row
}

func (c change) source(k sourceKey, add func(*schema.SourceTotals)) {
	row := c.sources[k]
	add(&row)
	c.sources[k] = row
}

// count counts one outcome that needs nothing written.
func (c change) count(outcome string) { c.outcomes[outcome]++ }

func decodeTotals(s string) (totals, error) {
	t := totals{Applied: map[string]int64{}}
	if s == "" {
		return t, nil
	}
	if err := json.Unmarshal([]byte(s), &t); err != nil {
		return totals{}, fmt.Errorf("decode totals: %w", err)
	}
	if t.Applied == nil {
		t.Applied = map[string]int64{}
	}
	t.nameAll()
	return t, nil
}

// nameAll names the arms of rows that an earlier build wrote, those with fewest lists first.
func (t *totals) nameAll() {
	lists := map[string]int64{}
	for _, r := range t.Arms {
		if r.Arm != schema.OlderArms && !slices.Contains(t.Names, r.Arm) {
			lists[r.Arm] += r.Answers + r.Scored
		}
	}
	named := slices.SortedFunc(maps.Keys(lists), func(a, b string) int { return cmp.Or(cmp.Compare(lists[a], lists[b]), cmp.Compare(a, b)) })
	t.Names = append(named, t.Names...)
}

// front is how the stored form of t begins, and no other revision's.
func (t totals) front() string { return fmt.Sprintf(`{"rev":%d,`, t.Rev) }

// add adds c, and folds what more than most versions, or too many arms, have.
func (t *totals) add(c change, most int) {
	for _, k := range c.sortedArms() {
		if c.arms[k].Answers > 0 || c.arms[k].Scored > 0 { // a click alone never brings back a version or an arm that was folded
			t.know(k, most)
		}
	}
	for _, k := range c.sortedArms() {
		d := c.arms[k]
		row := t.armRow(t.name(k.arm), t.told(k.model), k.shadow)
		addArm(row, d)
	}
	for _, k := range sortedKeys(c.sources, func(k sourceKey) string { return fmt.Sprint(k) }) {
		row := t.sourceRow(t.name(k.arm), t.told(k.model), k.source)
		addSource(row, c.sources[k])
	}
}

func sortedKeys[K comparable, V any](m map[K]V, text func(K) string) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int { return cmp.Compare(text(a), text(b)) })
}

// sortedArms are the rows of arms that c adds to, in an order of their own.
func (c change) sortedArms() []armKey {
	return sortedKeys(c.arms, func(k armKey) string { return fmt.Sprint(k) })
}

func addArm(to *schema.ArmTotals, d schema.ArmTotals) {
	to.Answers += d.Answers
	to.Clicked += d.Clicked
	to.Converted += d.Converted
	to.Scored += d.Scored
	to.Hits += d.Hits
	to.Gain += d.Gain
}

func addSource(to *schema.SourceTotals, d schema.SourceTotals) {
	to.Shown += d.Shown
	to.Clicked += d.Clicked
	to.Converted += d.Converted
}

// told is the version a row has for model.
func (t *totals) told(model string) string {
	if slices.Contains(t.Models, model) {
		return model
	}
	return schema.OlderVersions
}

// name is the arm a row has for arm.
func (t *totals) name(arm string) string {
	if slices.Contains(t.Names, arm) {
		return arm
	}
	return schema.OlderArms
}

// touched moves a version or an arm, which may be new, to the end of all: an arm that stays with a version for weeks keeps its row.
func touched(all []string, name string) []string {
	if i := slices.Index(all, name); i >= 0 {
		all = slices.Delete(all, i, i+1)
	}
	return append(all, name)
}

// know makes room for a version and an arm; those that were not used for longest are added up with those before them.
func (t *totals) know(k armKey, most int) {
	t.Models, t.Names = touched(t.Models, k.model), touched(t.Names, k.arm)
	if len(t.Models) <= most && len(t.Names) <= maxArms {
		return
	}
	t.Models, t.Names = t.Models[max(0, len(t.Models)-most):], t.Names[max(0, len(t.Names)-maxArms):]
	arms, sources := t.Arms, t.Sources
	t.Arms, t.Sources = nil, nil
	for _, r := range arms {
		addArm(t.armRow(t.name(r.Arm), t.told(r.ModelVersion), r.Shadow), r)
	}
	for _, r := range sources {
		addSource(t.sourceRow(t.name(r.Arm), t.told(r.ModelVersion), r.Source), r)
	}
}

func (t *totals) armRow(arm, model string, shadow bool) *schema.ArmTotals {
	i := slices.IndexFunc(t.Arms, func(r schema.ArmTotals) bool { return r.Arm == arm && r.ModelVersion == model && r.Shadow == shadow })
	if i < 0 {
		i = len(t.Arms)
		t.Arms = append(t.Arms, schema.ArmTotals{Arm: arm, ModelVersion: model, Shadow: shadow})
	}
	return &t.Arms[i]
}

func (t *totals) sourceRow(arm, model string, source schema.Source) *schema.SourceTotals {
	i := slices.IndexFunc(t.Sources, func(r schema.SourceTotals) bool { return r.Arm == arm && r.ModelVersion == model && r.Source == source })
	if i < 0 {
		i = len(t.Sources)
		t.Sources = append(t.Sources, schema.SourceTotals{Arm: arm, ModelVersion: model, Source: source})
	}
	return &t.Sources[i]
}

// merge adds up buckets: arms by name, their newest version first.
func merge(all []totals) schema.Attribution {
	var sum totals
	for _, t := range all {
		for _, r := range t.Arms {
			addArm(sum.armRow(r.Arm, r.ModelVersion, r.Shadow), r)
		}
		for _, r := range t.Sources {
			addSource(sum.sourceRow(r.Arm, r.ModelVersion, r.Source), r)
		}
	}
	slices.SortFunc(sum.Arms, func(a, b schema.ArmTotals) int {
		return cmp.Or(cmp.Compare(a.Arm, b.Arm), newestFirst(a.ModelVersion, b.ModelVersion), cmp.Compare(fmt.Sprint(a.Shadow), fmt.Sprint(b.Shadow)))
	})
	slices.SortFunc(sum.Sources, func(a, b schema.SourceTotals) int {
		return cmp.Or(cmp.Compare(a.Arm, b.Arm), newestFirst(a.ModelVersion, b.ModelVersion), cmp.Compare(a.Source, b.Source))
	})
	out := schema.Attribution{Arms: sum.Arms, Sources: sum.Sources}
	if out.Arms == nil {
		out.Arms = []schema.ArmTotals{}
	}
	if out.Sources == nil {
		out.Sources = []schema.SourceTotals{}
	}
	return out
}

// newestFirst orders versions, whose names rise with the rounds; what is not told apart comes last.
func newestFirst(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == schema.OlderVersions:
		return 1
	case b == schema.OlderVersions:
		return -1
	default:
		return cmp.Compare(b, a)
	}
}
