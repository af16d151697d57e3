package rules

import (
	"cmp"
	"container/list"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/softrec/softrec/schema"
)

// Compiler turns specs into rules and keeps the expressions it compiled, the most recently used of them.
type Compiler struct {
	capacity int // bytes

	mu     sync.Mutex
	bytes  int        // of what is kept, see Expression.size
	order  *list.List // newest use first; values are *Expression
	byText map[string]*list.Element
}

// NewCompiler keeps expressions of up to capacity bytes together; one takes some 2 to 20 KB, and none more than 330 KB.
func NewCompiler(capacity int) *Compiler {
	return &Compiler{capacity: capacity, order: list.New(), byText: map[string]*list.Element{}}
}

// Expression is ParseExpression, from what is kept where it can be.
func (c *Compiler) Expression(text string) (*Expression, error) {
	c.mu.Lock()
	el, ok := c.byText[text]
	if ok {
		c.order.MoveToFront(el)
	}
	c.mu.Unlock()
	if ok {
		return el.Value.(*Expression), nil
	}
	e, err := ParseExpression(text)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byText[text]; ok {
		return el.Value.(*Expression), nil // another request was faster
	}
	c.byText[text] = c.order.PushFront(e)
	c.bytes += e.size()
	for c.bytes > c.capacity && c.order.Len() > 0 {
		old := c.order.Remove(c.order.Back()).(*Expression)
		c.bytes -= old.size()
		delete(c.byText, old.text)
	}
	return e, nil
}

// Rules is a Spec that can be carried out. It is never changed.
type Rules struct {
	spec   Spec
	filter *Expression
	boosts []boost
	pins   []Pin // by position
	page   Page
	key    string
	timed  bool
}

type boost struct {
	when   *Expression
	factor float64
}

// Compile checks spec and prepares it for the list named by its parts (see DecodePage). The error joins one
// *schema.FieldError a fault.
func (c *Compiler) Compile(spec Spec, of ...string) (*Rules, error) {
	errs := []error{spec.Validate()}
	steps := 0
	expression := func(field, text string) *Expression {
		e, err := c.Expression(text)
		if err == nil && e.steps > 0 {
			if steps += e.steps; steps > MaxPatternSteps {
				err = fmt.Errorf("with it the patterns of all expressions have %d steps, at most %d are allowed", steps, MaxPatternSteps)
			}
		}
		if err != nil {
			errs = append(errs, &schema.FieldError{Field: field, Value: short(text), Reason: err.Error()})
		}
		return e
	}
	r := &Rules{spec: spec, page: FirstPage(of...)}
	if spec.Filter != "" {
		r.filter = expression("filter", spec.Filter)
	}
	for i, b := range spec.Boosts[:min(len(spec.Boosts), MaxBoosts)] {
		r.boosts = append(r.boosts, boost{when: expression(fmt.Sprintf("boosts[%d].when", i), b.When), factor: b.Factor})
	}
	if spec.After != "" {
		page, err := DecodePage(spec.After, of...)
		if err != nil {
			errs = append(errs, &schema.FieldError{Field: "after", Value: short(spec.After), Reason: err.Error()})
		}
		r.page = page
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r.pins = slices.SortedFunc(slices.Values(spec.Pins), func(a, b Pin) int { return cmp.Compare(a.Position, b.Position) })
	r.timed = r.filter != nil && r.filter.Timed() || slices.ContainsFunc(r.boosts, func(b boost) bool { return b.when.Timed() })
	return r, r.canonical()
}

// canonical sets key, equal for specs that mean the same.
func (r *Rules) canonical() error {
	s := r.spec
	s.Placement = "" // what it names is in the other fields
	s.Categories, s.Exclude = sorted(s.Categories), sorted(s.Exclude)
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	r.key = string(b)
	return nil
}

func sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// Key is equal for requests that ask for the same list of one window, model and catalogue. It covers how much of the window is
// recent enough for filter_seen at now and, where an expression reads the time, the minute.
func (r *Rules) Key(history []schema.Interaction, now time.Time) string {
	if !r.timed && (r.spec.FilterSeen == nil || len(*r.spec.FilterSeen) == 0) {
		return r.key
	}
	var b strings.Builder
	b.WriteString(r.key)
	if r.spec.FilterSeen != nil {
		fmt.Fprint(&b, r.spec.FilterSeen.counts(history, now))
	}
	if r.timed {
		fmt.Fprint(&b, "@", r.Now(now).Unix())
	}
	return b.String()
}

// Now is the time expressions see: whole minutes, so that lists can be kept for one.
func (r *Rules) Now(now time.Time) time.Time { return now.Truncate(time.Minute) }

// Spec is what the rules were made from.
func (r *Rules) Spec() Spec { return r.spec }

// Page is what a client was shown before.
func (r *Rules) Page() Page { return r.page }

// Explores reports whether lists differ by their seed: such a list must not be kept for the next request.
func (r *Rules) Explores() bool { return r.spec.Explore != nil && r.spec.Explore.Share > 0 }

// Paged reports whether the answer has a token.
func (r *Rules) Paged() bool { return r.spec.Paged || r.spec.After != "" }

// Rearranges reports whether an item's place depends on more than its own score, so that a list of n needs more than n
// items to choose from.
func (r *Rules) Rearranges() bool {
	return r.Explores() || r.diversifies() || len(r.boosts) > 0 || len(r.spec.Caps) > 0
}

func (r *Rules) diversifies() bool { return r.spec.MMRLambda != nil && *r.spec.MMRLambda < 1 }

// Allows is the part of the rules that an item passes or not by itself: filter, seen and shown before. lookup reads the
// catalogue; an item it does not know has an id alone.
func (r *Rules) Allows(history []schema.Interaction, now time.Time, lookup func(id string) (schema.Item, bool)) func(id string) bool {
	var seen map[string]struct{}
	if r.spec.FilterSeen != nil {
		seen = r.spec.FilterSeen.Items(history, now)
	}
	at := r.Now(now)
	return func(id string) bool {
		if _, was := seen[id]; was || r.page.Served(id) {
			return false
		}
		return r.filter == nil || r.filter.Match(itemOf(id, lookup), at)
	}
}

func itemOf(id string, lookup func(id string) (schema.Item, bool)) schema.Item {
	it, _ := lookup(id)
	it.ID = id
	return it
}

// MostBoost is the largest factor an item can get.
func (r *Rules) MostBoost() float64 {
	most := 1.0
	for _, b := range r.boosts {
		most *= max(1, b.factor)
	}
	return min(most, math.MaxFloat64)
}

// Plain reports whether nothing is asked for beyond n, categories, excluded items, all seen items and explain, which
// a ranker does by itself.
func (r *Rules) Plain() bool {
	s := r.spec
	seen := s.FilterSeen == nil || len(*s.FilterSeen) == 0 || s.FilterSeen.All()
	return seen && s.Filter == "" && s.MinScore == nil && len(s.Pins) == 0 && !r.Paged() && !r.Rearranges()
}

// PoolSize is how many items Select should choose n from at first: share for each one wanted and least altogether where
// it rearranges, otherwise n and what pins may take out of the pool.
func (r *Rules) PoolSize(n, share, least int) int {
	if r.Rearranges() {
		n = max(share*n, least)
	}
	return n + len(r.pins)
}

// Hopeless reports whether a pool, best first, has come to scores that no boost lifts to the least score: then the list
// ends with it.
func (r *Rules) Hopeless(pool []Candidate, linear bool) bool {
	if r.spec.MinScore == nil || len(pool) == 0 {
		return false
	}
	last := pool[len(pool)-1].Score
	if linear {
		return max(last, 0)*r.MostBoost() < *r.spec.MinScore
	}
	return last+math.Log(r.MostBoost()) < *r.spec.MinScore
}
