package counts

import (
	"slices"
	"sync/atomic"
	"time"
)

// Observation is one interaction, with what was known before it.
type Observation struct {
	History []int32   // the user's window before the basket the item came in, newest last; interactions with an equal timestamp are one basket and none is history for the others
	Times   []int64   // of History, Unix ms, in parallel; nil makes every entry a basket of its own
	Basket  []int32   // lines of the same basket that were observed before this one
	User    uint64    // UserKey of the user; 0 leaves the observation out of the neighbours
	Lean    bool      // learn only what the baselines read: popularity and windowed transitions
	Item    int32     // dense item index, 1 or more
	Time    time.Time // when it happened
}

// Counts is the state of the learner. NewCounts makes one; the zero value can only be unmarshalled into.
type Counts struct {
	cfg     Config
	updates int64 // observations learnt
	newest  int64 // latest observation, Unix ms
	columns [numColumns]decayed
	firstAt []int64 // by item: first observation, Unix ms; 0 before it
	lastAt  []int64 // by item: newest observation, Unix ms
	seen    []uint32
	repeats []uint32 // of seen, how many found the item in the user's window
	tables  [numTables]pairs
	near    neighbours
	owner   atomic.Pointer[owner]
	ready   atomic.Pointer[ready] // nil unless Prepare came after the last change
}

// owner marks the rows that belong to one Counts alone; a row with another mark is shared and copied before it changes.
type owner struct{ _ byte }

// The columns of decayed sums.
const (
	colMain  = iota // all observations, the configured half-life
	colMonth        // all observations, a quarter of it
	colDay          // all observations, a thirtieth of it
	colFirst        // observations whose item was not in the user's window, half of it
	colThree        // all observations, a tenth of it
	colHours        // all observations, a hundred-and-twentieth of it
	colLong         // all observations, twice of it
	colNew          // observations of users without a history, half of it
	colFresh        // as colFirst, a tenth of it
	numColumns
)

// columnShare is the half-life of a column in half-lives of the counts.
var columnShare = [numColumns]float64{
	colMain: 1, colMonth: 1. / 4, colDay: 1. / 30, colFirst: 1. / 2, colThree: 1. / 10, colHours: 1. / 120, colLong: 2, colNew: 1. / 2, colFresh: 1. / 10,
}

// NewCounts returns empty counts. A config that does not pass Validate is replaced, field by field, by DefaultConfig's.
func NewCounts(cfg Config) *Counts {
	def := DefaultConfig()
	if (Config{HalfLife: cfg.HalfLife, MaxSuccessors: def.MaxSuccessors}).Validate() != nil {
		cfg.HalfLife = def.HalfLife
	}
	if (Config{HalfLife: def.HalfLife, MaxSuccessors: cfg.MaxSuccessors}).Validate() != nil {
		cfg.MaxSuccessors = def.MaxSuccessors
	}
	c := &Counts{cfg: cfg}
	for i, share := range columnShare {
		c.columns[i] = newDecayed(time.Duration(share*float64(cfg.HalfLife)), 0)
	}
	for i, share := range tableShare {
		c.tables[i] = newPairs(cfg.HalfLife, share)
	}
	c.owner.Store(new(owner))
	return c
}

// Config returns the configuration the counts were made with.
func (c *Counts) Config() Config { return c.cfg }

// Updates counts the observations learnt.
func (c *Counts) Updates() int64 { return c.updates }

// Newest is the time of the latest observation, zero before the first one.
func (c *Counts) Newest() time.Time {
	if c.updates == 0 {
		return time.Time{}
	}
	return time.UnixMilli(c.newest).UTC()
}

// Len is one more than the largest item index observed.
func (c *Counts) Len() int { return len(c.seen) }

// Update learns one observation. An item below 1 is ignored, and so are history entries below 1.
func (c *Counts) Update(o Observation) {
	if o.Item < 1 {
		return
	}
	c.ready.Store(nil)
	c.grow(int(o.Item) + 1)
	ms := max(o.Time.UnixMilli(), 0)
	repeat := slices.Contains(o.History, o.Item)
	for i := range c.columns {
		if (i == colFirst || i == colFresh) && repeat || i == colNew && len(o.History) > 0 {
			continue
		}
		c.columns[i].add(o.Item, ms)
	}
	if c.seen[o.Item] == 0 || ms < c.firstAt[o.Item] {
		c.firstAt[o.Item] = ms
	}
	c.lastAt[o.Item] = max(c.lastAt[o.Item], ms)
	c.newest = max(c.newest, ms)
	c.seen[o.Item]++
	if repeat {
		c.repeats[o.Item]++
	}
	c.updates++
	c.follow(o.History, o.Item, ms)
	if o.Lean {
		return
	}
	c.near.take(o.User, o.Item, ms)
	if !slices.Contains(o.Basket, o.Item) { // a line may be there twice
		c.pair(o, ms, repeat)
	}
}

// follow notes that item came after the newest entries of history.
func (c *Counts) follow(history []int32, item int32, ms int64) {
	own := c.owner.Load()
	for k := range min(len(history), back) {
		from := history[len(history)-1-k]
		if from < 1 {
			continue
		}
		c.grow(int(from) + 1)
		c.tables[tabFollows].add(own, from, item, backWeight[k], ms, c.cfg.MaxSuccessors)
	}
}

func (c *Counts) grow(n int) {
	if n <= len(c.seen) {
		return
	}
	for i := range c.columns {
		c.columns[i].grow(n)
	}
	c.firstAt, c.lastAt = extend(c.firstAt, n), extend(c.lastAt, n)
	c.seen, c.repeats = extend(c.seen, n), extend(c.repeats, n)
	c.near.takers = extend(c.near.takers, n)
	for i := range c.tables {
		c.tables[i].rows = extend(c.tables[i].rows, n)
	}
}

// Clone returns an independent copy. The transition rows are shared until either side changes them, so it costs one
// pass over the per-item figures. It may run while others read c, not while one updates it.
func (c *Counts) Clone() *Counts {
	d := &Counts{
		cfg: c.cfg, updates: c.updates, newest: c.newest,
		firstAt: slices.Clone(c.firstAt), lastAt: slices.Clone(c.lastAt),
		seen: slices.Clone(c.seen), repeats: slices.Clone(c.repeats), tables: c.tables, near: c.near.clone(),
	}
	for i := range d.tables {
		d.tables[i].rows = slices.Clone(c.tables[i].rows)
	}
	for i := range c.columns {
		d.columns[i] = c.columns[i].clone()
	}
	d.owner.Store(new(owner))
	c.owner.Store(new(owner)) // from now on c copies a row before it changes it, too
	return d
}
