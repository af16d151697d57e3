package embedded

import (
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- Redis's name of a script
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// native is the Go twin of a script.
type native func(db *miniredis.RedisDB, keys, argv []string) (any, error)

// engine stands before every command of miniredis and executes known scripts itself.
//
// mu is held by whatever changes something. So the natives follow one another, each being several steps of miniredis's direct API; and the
// snapshot, which holds it while it reads, never sees one half done, and misses no key. Lock order: engine.mu, then miniredis's own
// mutex (inside each call). Commands that wait for others go without it.
type engine struct {
	redis   *miniredis.Miniredis
	server  *server.Server // kept: Miniredis forgets it on Close
	db      *miniredis.RedisDB
	natives map[string]native
	runID   string // another one each time the server is started, as Redis has it

	mu     sync.Mutex
	growth *growth // nil while nobody walks

	local *local // for the snapshot; one user at a time

	connections sync.Map // *server.Peer -> *connection
}

// connection is the state of one connection. Only that connection touches it.
type connection struct {
	open   bool     // between MULTI and EXEC
	queued []string // words of what is queued there and changes something
	alone  bool     // the command under way holds mu
}

func newEngine(m *miniredis.Miniredis) *engine {
	e := &engine{redis: m, server: m.Server(), db: m.DB(0), natives: natives(), runID: rand.Text()}
	e.local = newLocal(e.server)
	e.server.SetPreHook(e.hook)
	return e
}

// hook is called before each command; true means that it was answered here.
func (e *engine) hook(c *server.Peer, cmd string, args ...string) bool {
	if c == e.local.peer {
		return false
	}
	conn := e.connection(c)
	switch {
	case conn == nil: // a call of a script, which holds mu where it may change something
		if e.changes(cmd) {
			e.growth.note(args)
		}
		return false
	case conn.alone: // comes by a second time
		return false
	}
	switch cmd { // in upper case already
	case "EVALSHA", "EVAL":
		if !conn.open && e.script(c, cmd, args) { // inside MULTI all steps must happen at one moment: there it is miniredis's Lua
			return true
		}
	case "MULTI":
		conn.open = true
	case "EXEC":
		queued := conn.queued
		*conn = connection{}
		return e.alone(c, conn, queued, cmd)
	case "DISCARD", "RESET":
		*conn = connection{}
	case "INFO":
		if len(args) == 1 && strings.EqualFold(args[0], "server") {
			c.WriteBulk("# Server\r\nrun_id:" + e.runID + "\r\n")
			return true
		}
	case "SELECT":
		if len(args) == 1 && args[0] != "0" {
			c.WriteError("ERR DB index is out of range: the embedded server has only database 0")
			return true
		}
	}
	switch {
	case !e.changes(cmd):
		return false
	case conn.open:
		conn.queued = append(conn.queued, args...)
		return false
	}
	return e.alone(c, conn, args, cmd, args...)
}

// unlocked are the commands that change no key and are not marked so, and those that wait until another one does.
var unlocked = map[string]bool{
	"AUTH": true, "CLIENT": true, "CLUSTER": true, "COMMAND": true, "DISCARD": true, "ECHO": true, "HELLO": true, "INFO": true, "MEMORY": true, "MULTI": true,
	"OBJECT": true, "PING": true, "PSUBSCRIBE": true, "PUBLISH": true, "PUBSUB": true, "PUNSUBSCRIBE": true, "QUIT": true, "RESET": true, "SCRIPT": true, "SELECT": true,
	"SUBSCRIBE": true, "TIME": true, "UNSUBSCRIBE": true, "UNWATCH": true, "WAIT": true, "WATCH": true, "XINFO": true,
	"BLMOVE": true, "BLPOP": true, "BRPOP": true, "BRPOPLPUSH": true, "BZMPOP": true, "BZPOPMAX": true, "BZPOPMIN": true, "XREADGROUP": true,
}

// changes reports whether a command may change something.
func (e *engine) changes(cmd string) bool { return !unlocked[cmd] && !e.server.IsReadOnlyCommand(cmd) }

// alone runs a command while no native is at work and no snapshot is read. What it makes is among words.
func (e *engine) alone(c *server.Peer, conn *connection, words []string, cmd string, args ...string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.growth.note(words)
	conn.alone = true
	defer func() { conn.alone = false }()
	e.server.Dispatch(c, append([]string{cmd}, args...))
	return true
}

// connection returns the state of c, nil for the calls of a Lua script: they come over a peer of their own, which miniredis gives a context
// before its first command and not with it.
func (e *engine) connection(c *server.Peer) *connection {
	if v, ok := e.connections.Load(c); ok {
		return v.(*connection)
	}
	if c.Ctx != nil {
		return nil
	}
	conn := &connection{}
	e.connections.Store(c, conn)
	c.OnDisconnect(func() { e.connections.Delete(c) })
	return conn
}

// script runs the Go twin of the script that EVALSHA names or EVAL brings along, if it has one.
func (e *engine) script(c *server.Peer, cmd string, args []string) bool {
	if len(args) < 2 {
		return false
	}
	sha := args[0]
	if cmd == "EVAL" {
		sum := sha1.Sum([]byte(sha)) // #nosec G401 -- Redis's name of a script
		sha = hex.EncodeToString(sum[:])
	}
	run, ok := e.natives[sha]
	if !ok {
		return false
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 0 || n > len(args)-2 {
		c.WriteError("ERR Number of keys can't be greater than number of args")
		return true
	}
	keys := args[2 : 2+n]
	e.mu.Lock()
	e.growth.note(keys)
	reply, err := run(e.db, keys, args[2+n:])
	e.mu.Unlock()
	if err != nil {
		c.WriteError("ERR " + err.Error())
		return true
	}
	c.Block(func(w *server.Writer) { writeReply(w, reply) })
	return true
}

// writeReply sends what a script may return.
func writeReply(w *server.Writer, reply any) {
	switch r := reply.(type) {
	case nil:
		w.WriteNull()
	case int:
		w.WriteInt(r)
	case int64:
		w.WriteInt(int(r))
	case string:
		w.WriteBulk(r)
	case []int:
		w.WriteLen(len(r))
		for _, v := range r {
			w.WriteInt(v)
		}
	case []int64:
		w.WriteLen(len(r))
		for _, v := range r {
			w.WriteInt(int(v))
		}
	case []string:
		w.WriteStrings(r)
	case []any:
		w.WriteLen(len(r))
		for _, v := range r {
			writeReply(w, v)
		}
	default:
		w.WriteError(fmt.Sprintf("ERR script returned a %T", reply))
	}
}
