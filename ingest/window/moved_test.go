package window

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

// pair is a cluster of two nodes that own all slots in turn: what belongs to the first moves to the second, key by key.
type pair struct {
	nodes   [2]*miniredis.Miniredis
	natives map[string]Native

	mu     sync.Mutex
	owner  int                   // of the slots
	moving bool                  // to the other
	asking map[*server.Peer]bool // connections whose next command has leave to be early
	told   map[string]int        // redirections by kind
}

func newPair(t *testing.T) *pair {
	p := &pair{natives: Natives(), asking: map[*server.Peer]bool{}, told: map[string]int{}}
	for i := range p.nodes {
		p.nodes[i] = miniredis.RunT(t)
		p.nodes[i].Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
			return p.answer(i, c, strings.ToLower(cmd), args)
		})
	}
	return p
}

// answer replies as a node of a cluster where the lone server would not.
func (p *pair) answer(node int, c *server.Peer, cmd string, args []string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := -1 // of the key
	switch cmd {
	case "asking":
		p.asking[c] = true
		c.WriteOK()
		return true
	case "wait":
		c.WriteInt(1)
		return true
	case "cluster":
		host, port, _ := net.SplitHostPort(p.nodes[p.owner].Addr())
		number, _ := strconv.Atoi(port)
		c.WriteLen(1)
		c.WriteLen(3)
		c.WriteInt(0)
		c.WriteInt(16383)
		c.WriteLen(2)
		c.WriteBulk(host)
		c.WriteInt(number)
		return true
	case "getrange", "set", "strlen", "type":
		at = 0
	case "evalsha":
		at = 2
	}
	if at < 0 {
		return false
	}
	early := p.asking[c]
	delete(p.asking, c)
	kind := ""
	switch {
	case node == p.owner && p.moving && !p.nodes[node].Exists(args[at]):
		kind = "ASK"
	case node != p.owner && !(p.moving && early):
		kind = "MOVED"
	}
	if kind == "" && cmd == "evalsha" { // by its twin: a script would come by here again for each of its commands
		n, _ := strconv.Atoi(args[1])
		reply, err := p.natives[args[0]](p.nodes[node], args[2:2+n], args[2+n:])
		if err != nil {
			c.WriteError("ERR " + err.Error())
			return true
		}
		c.WriteInt(reply.(int))
		return true
	}
	if kind == "" {
		return false
	}
	p.told[kind]++
	to := 1 - node
	if kind == "MOVED" {
		to = p.owner
	}
	c.WriteError(fmt.Sprintf("%s 0 %s", kind, p.nodes[to].Addr()))
	return true
}

// carry takes keys to the other node; the slots are on their way from then on.
func (p *pair) carry(t *testing.T, keys ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moving = true
	from, to := p.nodes[p.owner], p.nodes[1-p.owner]
	for _, key := range keys {
		value, err := from.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Set(key, value); err != nil {
			t.Fatal(err)
		}
		from.Del(key)
	}
}

// arrive makes the other node the owner, once it has all keys.
func (p *pair) arrive(t *testing.T) {
	t.Helper()
	p.carry(t, p.nodes[p.owner].Keys()...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moving, p.owner = false, 1-p.owner
}

// Slots move to another node under a Store. Where nothing is waited for it follows at once, also into a slot that is half moved. Where
// replicas are waited for it says that another try may help while a slot is half moved, and follows when it has arrived.
func TestStore_slotsMove(t *testing.T) {
	for name, policy := range map[string]replicas.Policy{"nothing is waited for": {}, "replicas are waited for": {Replicas: 1, Timeout: time.Second}} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{p.nodes[0].Addr()}, IsClusterMode: true, MaxRetries: -1})
			t.Cleanup(func() { _ = rdb.Close() })
			s, err := New(rdb, schema.NewKeys(""), Rules{Len: 50, Lateness: time.Hour}, WithReplicas(policy))
			if err != nil {
				t.Fatal(err)
			}
			const users = 6
			step := 0
			batch := func() (all []UserBatch) {
				step++
				for u := range users {
					all = append(all, UserBatch{fmt.Sprint("u", u), 0, []Record{view(int64(step), "i", step)}})
				}
				return all
			}
			settle := func(what string, all []UserBatch) {
				t.Helper()
				tries := 0
				err := retry.Do(t.Context(), retry.Policy{MaxElapsed: 10 * time.Second}, nil, func(ctx context.Context) error {
					tries++
					_, err := s.Apply(ctx, all)
					return err
				})
				if err != nil {
					t.Fatalf("%s, after %d tries: %v", what, tries, err)
				}
			}
			settle("before", batch())
			p.carry(t, s.keys.User("u0"), s.keys.User("u1"))
			half := batch()
			out, err := s.Apply(t.Context(), half)
			switch {
			case policy.Replicas == 0 && (err != nil || out.Applied != users):
				t.Errorf("half moved: %+v, %v", out, err)
			case policy.Replicas > 0 && !retry.Retryable(err):
				t.Errorf("half moved, replicas are waited for: %+v, %v; want an error that may pass", out, err)
			}
			p.arrive(t)
			settle("moved", half)
			settle("after", batch())
			if p.told["ASK"] == 0 || p.told["MOVED"] == 0 {
				t.Errorf("redirections %v: the test shows nothing", p.told)
			}
			for u := range users {
				w := read(t, s, fmt.Sprint("u", u))
				if w.Version != 3 || items(w.Entries) != "i i i" {
					t.Errorf("window of u%d: %+v", u, w)
				}
			}
		})
	}
}
