package ingest

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
)

// wire opens connections until it is cut: then they all end, and new ones fail at once.
type wire struct {
	mu    sync.Mutex
	down  bool
	to    string // where connections lead, whatever address is asked for; "" for there
	conns map[net.Conn]bool
}

// dial is a client's Dialer.
func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	to := w.to
	w.mu.Unlock()
	if to != "" {
		addr = to
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down || w.to != to { // cut meanwhile, or cut and mended to lead elsewhere
		return nil, errors.Join(&net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}, c.Close())
	}
	if w.conns == nil {
		w.conns = map[net.Conn]bool{}
	}
	w.conns[c] = true
	return c, nil
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

// point makes new connections lead to another server.
func (w *wire) point(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}
