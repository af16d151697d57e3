package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lastCall ends a listener without cutting off who is at the door. http.Server.Shutdown drops, unanswered, each connection whose first request it
// has not read, and closing a port resets those that the system holds for it; so the port is closed first, while the server still answers.
type lastCall struct {
	net.Listener
	leaving atomic.Bool
	windows int // for newcomers since leaving; Accept's own
	once    sync.Once
	closed  chan struct{}
	callers sync.Map // net.Conn -> *caller
}

// caller is an open connection.
type caller struct {
	state atomic.Int64 // http.ConnState
	asked atomic.Bool  // a first request has come whole. Over HTTP/2 a connection is idle between its hello and that
}

type callerKey struct{}

// A port that nobody comes to for quietPort is closed, any other after maxWindows of that length. From then on firstRequest is waited for on each connection.
// Both are counted in turns that this process has had, not by the clock: what has come lies unread while the machine is busy with others.
const (
	quietPort  = 2 * time.Millisecond
	maxWindows = 25

	lookAround   = 5 * time.Millisecond
	firstRequest = int(2 * time.Second / lookAround)
)

func newLastCall(l net.Listener) *lastCall {
	return &lastCall{Listener: l, closed: make(chan struct{})}
}

// Accept is the listener's. After leave it goes on until nobody has come for a moment, at most for maxWindows, closes the port and returns net.ErrClosed.
func (l *lastCall) Accept() (net.Conn, error) {
	for {
		began := time.Now()
		c, err := l.Listener.Accept()
		if err == nil || !l.leaving.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
		l.windows++
		// The first deadline may have passed unseen, by a process that had no turn, while callers came: only the next look finds them. So may a
		// later one have passed before it was waited for: nobody was looked for.
		if (l.windows == 1 || time.Since(began) < quietPort/2) && l.windows < maxWindows && l.extend() == nil {
			continue
		}
		return nil, errors.Join(net.ErrClosed, l.Close())
	}
}

// Close is the listener's; closed already is no fault: Shutdown may close it a moment after Accept has.
func (l *lastCall) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() { close(l.closed) })
	if !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (l *lastCall) extend() error {
	return l.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(quietPort))
}

// attend has srv, which is to serve l, say how it is with its connections. Call it before srv serves.
func (l *lastCall) attend(srv *http.Server) {
	before, next := srv.ConnContext, srv.Handler
	srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, conn)
		}
		c := &caller{}
		c.state.Store(int64(http.StateNew))
		l.callers.Store(conn, c)
		return context.WithValue(ctx, callerKey{}, c)
	}
	srv.ConnState = func(conn net.Conn, now http.ConnState) {
		if now == http.StateClosed || now == http.StateHijacked {
			l.callers.Delete(conn)
		} else if c, known := l.callers.Load(conn); known {
			c.(*caller).state.Store(int64(now))
		}
	}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(callerKey{}).(*caller); ok && !c.asked.Load() {
			c.asked.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}

// leave closes the port and returns when everybody who had come has been answered, or when ctx is done. Who asks nothing is waited for no longer than
// firstRequest: browsers open connections that they may need.
func (l *lastCall) leave(ctx context.Context) {
	l.leaving.Store(true)
	if l.extend() != nil {
		return // closed already
	}
	select {
	case <-l.closed:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	for looks := 0; l.expects(looks >= firstRequest); looks++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// expects reports whether somebody is answered or may still ask for the first time; late closes the connections of those who may.
func (l *lastCall) expects(late bool) (some bool) {
	l.callers.Range(func(conn, v any) bool {
		c := v.(*caller)
		asked := c.asked.Load() // before the state: it does not become false again
		switch state := http.ConnState(c.state.Load()); {
		case state == http.StateActive:
			some = true
		case asked && state == http.StateIdle:
		case late:
			hangUp(conn.(net.Conn))
		default:
			some = true
		}
		return true
	})
	return some
}

// hangUp closes a connection without the farewell of TLS, which may block.
func hangUp(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	_ = conn.Close() // closed already: nobody waits for it
}
