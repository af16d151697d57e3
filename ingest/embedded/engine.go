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
// mu serialises the natives: each is several steps of miniredis's direct API, and the steps of two must not mix. The
// snapshot holds it too while it reads, so that it never sees a native half done. Lock order: engine.mu, then miniredis's
// own mutex (inside each call).
type engine struct {
	redis   *miniredis.Miniredis
	server  *server.Server // kept: Miniredis forgets it on Close
	db      *miniredis.RedisDB
	natives map[string]native
	runID   string // another one each time the server is started, as Redis has it

	mu sync.Mutex

	local *local // for the snapshot; one user at a time

	transactions sync.Map // *server.Peer -> *transaction, of connections that ever said MULTI
}

// transaction is the state of one connection. Only that connection touches it.
type transaction struct {
	open      bool // between MULTI and EXEC
	scripted  bool // a script with a twin is queued
	executing bool // exec is at work
}

func newEngine(m *miniredis.Miniredis) *engine {
	e := &engine{redis: m, server: m.Server(), db: m.DB(0), natives: natives(), runID: rand.Text()}
	e.local = newLocal(e.server)
	e.server.SetPreHook(e.hook)
	return e
}

// hook is called before each command; true means that it was answered here.
func (e *engine) hook(c *server.Peer, cmd string, args ...string) bool {
	switch cmd { // in upper case already
	case "EVALSHA", "EVAL":
		return e.script(c, cmd, args)
	case "MULTI":
		*e.transaction(c, true) = transaction{open: true}
	case "EXEC":
		return e.exec(c)
	case "DISCARD", "RESET":
		if tx := e.transaction(c, false); tx != nil {
			*tx = transaction{}
		}
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
	return false
}

// exec runs a transaction that holds a script with a twin. Its steps must happen at one moment, so there the script is
// miniredis's Lua; and it must not fall between the steps of a native, so the natives wait.
func (e *engine) exec(c *server.Peer) bool {
	tx := e.transaction(c, false)
	if tx == nil || tx.executing { // executing: the Dispatch below comes by here
		return false
	}
	scripted := tx.scripted
	*tx = transaction{executing: scripted}
	if !scripted {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server.Dispatch(c, []string{"EXEC"})
	tx.executing = false
	return true
}

// transaction returns the state of c, or nil where there is none and make is false.
func (e *engine) transaction(c *server.Peer, make bool) *transaction {
	if v, ok := e.transactions.Load(c); ok {
		return v.(*transaction)
	}
	if !make {
		return nil
	}
	tx := &transaction{}
	e.transactions.Store(c, tx)
	c.OnDisconnect(func() { e.transactions.Delete(c) })
	return tx
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
	if tx := e.transaction(c, false); tx != nil && tx.open {
		tx.scripted = true
		return false
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 0 || n > len(args)-2 {
		c.WriteError("ERR Number of keys can't be greater than number of args")
		return true
	}
	e.mu.Lock()
	reply, err := run(e.db, args[2:2+n], args[2+n:])
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
