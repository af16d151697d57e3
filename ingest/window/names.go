package window

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/schema"
)

// Names is the dictionary of items: windows hold numbers in place of item ids. It is one string in Redis that only grows: a
// line with its own random name, then one id a line; an item's number is the number of its line. Every process keeps a copy
// and reads what was appended since.
//
// Redis loses the end of what it was told, never a part before it, and an item is in the dictionary before its number is in a
// window: so on one server no window survives the line it needs. In a cluster the dictionary may fall back alone; the next
// process that looks, which every writer does once a second, appends again what it knows. A dictionary that was made anew has
// another name, and windows say which one they were written with: a number is never read as another item.
type Names struct {
	rdb    redis.UniversalClient
	writer *replicas.Writer
	key    string
	sync   string // key of a write that replicas are waited for with
	script *redis.Script

	fetch sync.Mutex // held while the copy is brought up to date

	mu     sync.RWMutex
	lines  []string // elements below len never change
	size   int      // bytes of all lines
	tail   string   // the last of them
	byItem map[string]uint32
	mark   uint16 // of lines[0], 0 for an empty dictionary
	looked time.Time
}

const (
	maxNames     = 64 << 20 // bytes of the dictionary; items that come later stand in windows with their ids
	namesChunk   = 1 << 20  // bytes read at once
	namesTail    = 64       // bytes by which a copy is recognised
	namesTries   = 100      // of appending while others do
	namesEvery   = time.Second
	namesMarkLen = 16 // of the random name
)

func newNames(rdb redis.UniversalClient, w *replicas.Writer, keys schema.Keys) *Names {
	return &Names{rdb: rdb, writer: w, key: keys.Names(), sync: keys.NamesSync(), script: newAppend(), byItem: map[string]uint32{}}
}

// known is the dictionary as it is at one moment.
type known struct {
	lines []string
	mark  uint16
}

func (v known) name(number uint32) (string, bool) {
	if number == 0 || int(number) >= len(v.lines) {
		return "", false
	}
	return v.lines[number], true
}

func (n *Names) view() known {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return known{lines: n.lines, mark: n.mark}
}

// markOf tells dictionaries apart by their names. It is never 0, which stands for none.
func markOf(name string) uint16 {
	h := fnv.New32a()
	h.Write([]byte(name))
	sum := h.Sum32()
	return max(1, uint16(sum^sum>>16))
}

// numbers is the dictionary for a writer, who holds mu.
type numbers map[string]uint32

func (m numbers) number(item string) (uint32, bool) {
	v, ok := m[item]
	return v, ok
}

// follow reads what was appended since the last look.
func (n *Names) follow(ctx context.Context) error {
	n.fetch.Lock()
	defer n.fetch.Unlock()
	return n.followLocked(ctx)
}

func (n *Names) followLocked(ctx context.Context) error {
	for {
		n.mu.RLock()
		size, tail := n.size, n.tail
		n.mu.RUnlock()
		chunk, err := n.read(ctx, int64(size-len(tail)), int64(size+namesChunk-1))
		if err != nil {
			return fmt.Errorf("read the dictionary of items: %w", err)
		}
		fresh, same := strings.CutPrefix(chunk, tail)
		if !same {
			if err := n.repair(ctx); err != nil {
				return err
			}
			continue
		}
		whole := fresh[:strings.LastIndexByte(fresh, '\n')+1]
		n.add(whole)
		if len(fresh) < namesChunk {
			n.mu.Lock()
			n.looked = time.Now()
			n.mu.Unlock()
			return nil
		}
		if whole == "" {
			return errors.New("read the dictionary of items: a line without an end")
		}
	}
}

// read returns a part of the dictionary. Where windows wait for replicas it does, too: a number that a failover could give to
// another item must not get into a window.
func (n *Names) read(ctx context.Context, from, to int64) (string, error) {
	var cmd *redis.StringCmd
	fault := n.writer.Exec(ctx, []string{n.key}, func(pipe redis.Pipeliner, _ int) {
		cmd = pipe.GetRange(ctx, n.key, from, to)
		n.writer.Barrier(ctx, pipe, n.sync)
	})[0]
	if fault != nil {
		return "", fault
	}
	return cmd.Result()
}

// doubt makes the next writer look at the dictionary first: the server may be another one than before.
func (n *Names) doubt() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looked = time.Time{}
}

// add appends whole lines to the copy.
func (n *Names) add(text string) {
	if text == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for line := range strings.Lines(strings.Clone(text)) {
		id := line[:len(line)-1]
		if len(n.lines) == 0 {
			n.mark = markOf(id)
		} else if _, known := n.byItem[id]; !known {
			n.byItem[id] = uint32(len(n.lines))
		}
		n.lines = append(n.lines, id)
	}
	n.size += len(text)
	n.tail = (n.tail + text)[max(0, len(n.tail)+len(text)-namesTail):]
}

// repair is for a dictionary that does not go on as this copy does. One that is a beginning of the copy has lost its end, and
// gets it back. Any other one counts, and the copy goes.
func (n *Names) repair(ctx context.Context) error {
	have, err := n.rdb.StrLen(ctx, n.key).Result()
	if err != nil {
		return fmt.Errorf("read the dictionary of items: %w", err)
	}
	n.mu.RLock()
	mine := strings.Join(n.lines, "\n") + "\n"
	n.mu.RUnlock()
	if at := int(have); at < len(mine) {
		tail := mine[max(0, at-namesTail):at]
		end := ""
		if at > 0 {
			if end, err = n.rdb.GetRange(ctx, n.key, int64(at-len(tail)), int64(at-1)).Result(); err != nil {
				return fmt.Errorf("read the dictionary of items: %w", err)
			}
		}
		if end == tail {
			_, err := n.append(ctx, at, tail, mine[at:])
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines, n.size, n.tail, n.byItem, n.mark = nil, 0, "", map[string]uint32{}, 0
	return nil
}

// append is one run of names.lua.
func (n *Names) append(ctx context.Context, size int, tail, text string) (done bool, err error) {
	reply, err := n.run(ctx, size, tail, text)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = n.writer.Load(ctx, n.script); err == nil {
			reply, err = n.run(ctx, size, tail, text)
		}
	}
	if err != nil {
		return false, fmt.Errorf("append to the dictionary of items: %w", err)
	}
	return reply == 1, nil
}

func (n *Names) run(ctx context.Context, size int, tail, text string) (int, error) {
	var cmd *redis.Cmd
	fault := n.writer.Exec(ctx, []string{n.key}, func(pipe redis.Pipeliner, _ int) {
		cmd = pipe.EvalSha(ctx, n.script.Hash(), []string{n.key}, size, tail, text)
	})[0]
	if cmd == nil || fault != nil && cmd.Err() == nil {
		return 0, fault
	}
	return cmd.Int()
}

// register makes sure that items have numbers, as far as there is room. It looks at Redis when one of them is new here, and
// otherwise once a second.
func (n *Names) register(ctx context.Context, items map[string]struct{}) error {
	n.mu.RLock()
	due := time.Since(n.looked) > namesEvery
	n.mu.RUnlock()
	if !due && len(n.unknown(items)) == 0 {
		return nil
	}
	n.fetch.Lock()
	defer n.fetch.Unlock()
	for range namesTries {
		if due {
			if err := n.followLocked(ctx); err != nil {
				return err
			}
		}
		fresh := n.unknown(items)
		if len(fresh) == 0 {
			return nil
		}
		slices.Sort(fresh)
		text := strings.Join(fresh, "\n") + "\n"
		n.mu.RLock()
		size, tail := n.size, n.tail
		n.mu.RUnlock()
		if size == 0 {
			text = "#" + rand.Text()[:namesMarkLen] + "\n" + text
		}
		if size+len(text) > maxNames {
			return nil
		}
		done, err := n.append(ctx, size, tail, text)
		if err != nil {
			return err
		}
		if done {
			n.add(text)
			return nil
		}
		due = true // somebody was faster
	}
	return errors.New("append to the dictionary of items: others change it all the time")
}

// unknown returns the items that have no number here.
func (n *Names) unknown(items map[string]struct{}) []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var fresh []string
	for id := range items {
		if _, ok := n.byItem[id]; !ok {
			fresh = append(fresh, id)
		}
	}
	return fresh
}
