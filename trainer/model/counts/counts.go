package counts

import (
	"slices"
	"sync/atomic"
	"time"
)

// Observation is one interaction, with what was known before it.
type Observation struct {
	History []int32   // the user's window before the basket the item came in, newest last; interactions with an equal timestamp are one basket and none is history for the others
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
	rows    []*row   // by item: what followed it; nil before the first successor
	owner   atomic.Pointer[owner]
}

// owner marks the rows that belong to one Counts alone; a row with another mark is shared and copied before it changes.
type owner struct{ _ byte }

// The columns of decayed sums.
const (
	colMain  = iota // all observations, the configured half-life
	colMonth        // all observations, a quarter of it
	colDay          // all observations, a thirtieth of it
	colFirst        // observations whose item was not in the user's window, half of it
	numColumns
)

var columnShare = [numColumns]time.Duration{colMain: 1, colMonth: 4, colDay: 30, colFirst: 2}

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
		c.columns[i] = newDecayed(cfg.HalfLife/share, 0)
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
func (c *Counts) Len() int { return len(c.rows) }

// Update learns one observation. An item below 1 is ignored, and so are history entries below 1.
func (c *Counts) Update(o Observation) {
	if o.Item < 1 {
		return
	}
	c.grow(int(o.Item) + 1)
	ms := max(o.Time.UnixMilli(), 0)
	repeat := slices.Contains(o.History, o.Item)
	for i := range c.columns {
		if i != colFirst || !repeat {
			c.columns[i].add(o.Item, ms)
		}
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
	c.follow(o.History, o.Item)
}

// follow notes that item came after the newest entries of history.
func (c *Counts) follow(history []int32, item int32) {
	own := c.owner.Load()
	for k := range min(len(history), back) {
		from := history[len(history)-1-k]
		if from < 1 {
			continue
		}
		c.grow(int(from) + 1)
		r := c.rows[from]
		if r == nil || r.owner != own {
			r = r.cloneFor(own)
			c.rows[from] = r
		}
		r.add(item, backWeight[k], c.cfg.MaxSuccessors)
	}
}

func (c *Counts) grow(n int) {
	if n <= len(c.rows) {
		return
	}
	for i := range c.columns {
		c.columns[i].grow(n)
	}
	c.firstAt, c.lastAt = extend(c.firstAt, n), extend(c.lastAt, n)
	c.seen, c.repeats = extend(c.seen, n), extend(c.repeats, n)
	c.rows = extend(c.rows, n)
}

// Clone returns an independent copy. The transition rows are shared until either side changes them, so it costs one
// pass over the per-item figures. It may run while others read c, not while one updates it.
func (c *Counts) Clone() *Counts {
	d := &Counts{
		cfg: c.cfg, updates: c.updates, newest: c.newest,
		firstAt: slices.Clone(c.firstAt), lastAt: slices.Clone(c.lastAt),
		seen: slices.Clone(c.seen), repeats: slices.Clone(c.repeats), rows: slices.Clone(c.rows),
	}
	for i := range c.columns {
		d.columns[i] = c.columns[i].clone()
	}
	d.owner.Store(new(owner))
	c.owner.Store(new(owner)) // from now on c copies a row before it changes it, too
	return d
}
