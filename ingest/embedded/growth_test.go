package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// grows are the ways in which a client makes the key {x}:new beside the key {x}:old and changes that too.
var grows = map[string]func(ctx context.Context, rdb *redis.Client) error{
	"script": func(ctx context.Context, rdb *redis.Client) error {
		return rdb.Eval(ctx, `redis.call('SET', KEYS[1], 'after') return redis.call('SET', KEYS[2], 'after')`, []string{"{x}:old", "{x}:new"}).Err()
	},
	"script that names no key": func(ctx context.Context, rdb *redis.Client) error {
		return rdb.Eval(ctx, `redis.call('SET', '{x}:old', 'after') return redis.call('SET', '{x}:' .. 'new', 'after')`, nil).Err()
	},
	"script in a transaction": func(ctx context.Context, rdb *redis.Client) error {
		_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Eval(ctx, `redis.call('SET', KEYS[1], 'after') return redis.call('SET', '{x}:' .. 'new', 'after')`, []string{"{x}:old"})
			return nil
		})
		return err
	},
	"transaction": func(ctx context.Context, rdb *redis.Client) error {
		_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "{x}:old", "after", 0)
			p.RPush(ctx, "{x}:new", "after")
			return nil
		})
		return err
	},
	"commands": func(ctx context.Context, rdb *redis.Client) error {
		if err := rdb.HSet(ctx, "{x}:new", "f", "after").Err(); err != nil {
			return err
		}
		return rdb.Set(ctx, "{x}:old", "after", 0).Err()
	},
	"renaming": func(ctx context.Context, rdb *redis.Client) error {
		if err := rdb.Set(ctx, "{other}", "after", 0).Err(); err != nil {
			return err
		}
		if err := rdb.Rename(ctx, "{other}", "{x}:new").Err(); err != nil {
			return err
		}
		return rdb.Set(ctx, "{x}:old", "after", 0).Err()
	},
}

// A change that makes a key in a tag after the keys were listed is in the snapshot whole where the tag was not read yet, and else not at all.
func TestWalk_aTagGrows(t *testing.T) {
	for name, grow := range grows {
		for _, read := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, read before: %v", name, read), func(t *testing.T) {
				s := start(t, "")
				ctx := within(t, 20*time.Second)
				rdb := client(t, s)
				for i := range 2 * chunkKeys {
					s.engine.db.Set(fmt.Sprintf("a%03d", i), "v")
					s.engine.db.Set(fmt.Sprintf("z%03d", i), "v")
				}
				s.engine.db.Set("{x}:old", "before")
				when := map[bool]string{false: "a000", true: "z199"}[read] // nobody holds mu while they are handed out
				seen := map[string]string{}
				err := s.engine.walk(time.Now, s.log, func(e entry) error {
					seen[e.Key] = e.Values[len(e.Values)-1]
					if e.Key == when {
						return grow(ctx, rdb)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				want := map[bool][2]string{false: {"after", "after"}, true: {"before", ""}}[read]
				if got := [2]string{seen["{x}:old"], seen["{x}:new"]}; got != want {
					t.Errorf("old and new key are %q, want %q", got, want)
				}
			})
		}
	}
}

// Keys come to a tag all the time, as attribution makes one for each user: every snapshot is written, and each shows all of them up to one
// moment. None was written once, as each walk found the tag to have grown and was begun anew.
func TestSync_aTagGrowsAllTheTime(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	rdb := client(t, s)
	for i := range 20 * chunkKeys {
		s.engine.db.Set(fmt.Sprintf("softrec:u:{u%d}", i), "v")
	}
	ctx, stop := context.WithCancel(within(t, time.Minute))
	first := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		script := redis.NewScript(`redis.call('SET', KEYS[1], ARGV[1]) return redis.call('SET', KEYS[2], ARGV[1])`)
		for n := 1; ctx.Err() == nil; n++ {
			keys := []string{"softrec:{attr3}:totals", fmt.Sprint("softrec:{attr3}:last:u", n)}
			if n%2 == 0 {
				_ = script.Run(ctx, rdb, keys, n).Err() // an end of ctx
			} else {
				_, _ = rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
					p.Set(ctx, keys[0], n, 0)
					p.Set(ctx, keys[1], n, 0)
					return nil
				})
			}
			if n == 2 {
				close(first)
			}
		}
	})
	<-first
	for range 5 {
		if err := s.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, snapshotFile))
		if err != nil {
			t.Fatal(err)
		}
		totals, last, n := "", map[string]bool{}, 0
		if err := decodeSnapshot(file, func(e entry) error {
			n++
			switch {
			case e.Key == "softrec:{attr3}:totals":
				totals = e.Values[0]
			case hashTag(e.Key) == "attr3":
				last[e.Values[0]] = true
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(len(last)) != totals || !last[totals] || n != 20*chunkKeys+1+len(last) {
			t.Errorf("%d keys of users beside totals of %s, %d keys in all", len(last), totals, n)
		}
	}
	stop()
	wg.Wait()
}
