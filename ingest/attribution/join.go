package attribution

import (
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

// Stream is which topic a record comes from. Each has offsets of its own.
type Stream string

// The streams that are joined.
const (
	Impressions  Stream = "i"
	Interactions Stream = "e"
)

// Record is one record of either stream. Exactly one of Impression, Event and Forget is set.
type Record struct {
	Partition  int
	Offset     int64
	Time       time.Time          // when the record was written
	Impression *schema.Impression // an answer
	Event      *schema.Event      // an interaction
	Forget     string             // the user whose tombstone this is
}

// early is how far a click's record may lie before the answer: clocks of two machines differ.
const early = time.Minute

// answeredAt is the time in a recommendation id; false where the id is none of softrec's.
func answeredAt(id string) (time.Time, bool) {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 || len(id) != 36 {
		return time.Time{}, false
	}
	ms := int64(u[0])<<40 | int64(u[1])<<32 | int64(u[2])<<24 | int64(u[3])<<16 | int64(u[4])<<8 | int64(u[5])
	return time.UnixMilli(ms).UTC(), true
}

// note puts an impression into its answer, which may hold early clicks, and says whether the answer changed.
func (a *answer) note(im *schema.Impression, c change) bool {
	if a.known {
		c.count(OutcomeDuplicate)
		return false
	}
	waiting := a.items
	*a = answer{known: true, arm: im.Arm, model: im.ModelVersion, items: make([]mark, len(im.Items))}
	k := armKey{arm: im.Arm, model: im.ModelVersion}
	for i, it := range im.Items {
		a.items[i] = mark{item: hashOf(it.ID), source: it.Source}
		c.source(a.sourceOf(&a.items[i]), func(r *schema.SourceTotals) { r.Shown++ })
	}
	c.arm(k, func(r *schema.ArmTotals) { r.Answers++ })
	c.count(OutcomeAnswer)
	for _, m := range waiting {
		if m.clicked {
			a.hit(m.item, click, c)
		}
		if m.converted {
			a.hit(m.item, conversion, c)
		}
	}
	return true
}

// follow puts an interaction into the answer it followed and says whether the answer changed.
func (a *answer) follow(item string, what kind, c change) bool {
	h := hashOf(item)
	if a.known {
		return a.hit(h, what, c)
	}
	m := a.find(h)
	if m == nil {
		if len(a.items) >= maxEarly {
			c.count(OutcomeFull)
			return false
		}
		a.items = append(a.items, mark{item: h, source: schema.SourceModel})
		m = &a.items[len(a.items)-1]
	}
	if !m.set(what) {
		c.count(OutcomeDuplicate)
		return false
	}
	c.count(OutcomeEarly)
	return true
}

// hit counts one click or conversion of an item, the first time.
func (a *answer) hit(item uint32, what kind, c change) bool {
	m := a.find(item)
	if m == nil {
		c.count(OutcomeUnlisted)
		return false
	}
	first := !a.any(what)
	if !m.set(what) {
		c.count(OutcomeDuplicate)
		return false
	}
	k := armKey{arm: a.arm, model: a.model}
	if what == click {
		c.count(OutcomeClick)
		c.source(a.sourceOf(m), func(r *schema.SourceTotals) { r.Clicked++ })
		if first {
			c.arm(k, func(r *schema.ArmTotals) { r.Clicked++ })
		}
		return true
	}
	c.count(OutcomeConversion)
	c.source(a.sourceOf(m), func(r *schema.SourceTotals) { r.Converted++ })
	if first {
		c.arm(k, func(r *schema.ArmTotals) { r.Converted++ })
	}
	return true
}

func (a *answer) sourceOf(m *mark) sourceKey {
	return sourceKey{arm: a.arm, model: a.model, source: m.source}
}

// any reports whether any item of the answer was clicked, or led to a conversion.
func (a *answer) any(what kind) bool {
	for _, m := range a.items {
		if what == click && m.clicked || what == conversion && m.converted {
			return true
		}
	}
	return false
}

// set marks m; false when it was before.
func (m *mark) set(what kind) bool {
	flag := &m.clicked
	if what == conversion {
		flag = &m.converted
	}
	was := *flag
	*flag = true
	return !was
}

// score holds a user's lists, the newest of each arm, against an interaction, and returns those that still wait: lists made later.
func score(lists []list, item string, at time.Time, within time.Duration, c change) (left []list) {
	var before []list
	for _, l := range lists {
		if l.at.After(at) {
			left = append(left, l)
		} else {
			before = append(before, l)
		}
	}
	h := hashOf(item)
	for _, l := range before {
		if at.Sub(l.at) > within || stale(before, l) {
			continue
		}
		gain := l.gain(h)
		c.arm(armKey{arm: l.arm, model: l.model, shadow: l.shadow}, func(r *schema.ArmTotals) {
			r.Scored++
			if r.Gain += gain; gain > 0 {
				r.Hits++
			}
		})
		c.count(OutcomeScored)
	}
	return left
}
