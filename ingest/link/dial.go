package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Dialer opens the connections of one link.
type Dialer struct {
	name    string
	tls     TLS
	timeout time.Duration
	check   func(first []byte) string // nil: any answer will do
}

// NewDialer returns the dialer of the link called name, the section of its settings. A connection and its handshake together may take
// timeout; zero sets no limit.
func NewDialer(name string, t TLS, timeout time.Duration) *Dialer {
	return &Dialer{name: name, tls: t, timeout: timeout}
}

// Expect makes every connection show the first bytes of the first answer to check, which returns a hint where the server does not speak
// the protocol of the link: the connection then fails with a *Fault. It returns d.
func (d *Dialer) Expect(check func(first []byte) string) *Dialer {
	d.check = check
	return d
}

// Dial connects to addr, host:port, and with TLS shakes hands. An error that settings or certificates are to blame for is a *Fault.
func (d *Dialer) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.timeout)
		defer cancel()
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if !d.tls.Enabled {
		return &plain{Conn: conn, link: d.name, addr: addr, check: d.check}, nil
	}
	secured, err := d.shake(ctx, conn, addr)
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return &encrypted{Conn: secured, link: d.name, addr: addr, check: d.check}, nil
}

func (d *Dialer) shake(ctx context.Context, conn net.Conn, addr string) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cfg, err := d.tls.config(host)
	if err != nil {
		return nil, &Fault{Link: d.name, Addr: addr, Err: err, Hint: "the file was readable when this process started"}
	}
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, &Fault{Link: d.name, Addr: addr, Err: err, Hint: handshakeHint(d.name, cfg.ServerName, err)}
	}
	return secured, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// plain is a connection in plain text. It looks at the first answer for signs that the server wanted TLS. One goroutine reads it at a time.
type plain struct {
	net.Conn
	link, addr string
	check      func([]byte) string
	heard      bool
}

// Read implements net.Conn.
func (c *plain) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.heard {
		return n, err
	}
	if n > 0 {
		c.heard = true
		if n > 1 && b[0] == 0x15 && b[1] == 0x03 { // a TLS alert: neither Kafka nor Redis begins an answer like this
			return 0, kept{&Fault{Link: c.link, Addr: c.addr, Err: errors.New("the answer is a TLS alert"), Hint: "this port speaks TLS: set " + c.link + ".tls.enabled, or use the server's plain port"}}
		}
		if err := foreign(c.link, c.addr, c.check, b[:n]); err != nil {
			return 0, err
		}
		return n, err
	}
	if hungUp(err) {
		err = kept{&Fault{Link: c.link, Addr: c.addr, Err: errHungUp, Hint: "the server closed the connection before it answered: it is going down, or this port wants TLS (" + c.link + ".tls.enabled) or a login"}}
	}
	return n, err
}

// SyscallConn lets go-redis look whether an idle connection is still open.
func (c *plain) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.EINVAL
	}
	return inner.SyscallConn()
}

// encrypted is a connection after the handshake. In TLS 1.3 a server refuses a client's certificate only with its first answer.
type encrypted struct {
	*tls.Conn
	link, addr string
	check      func([]byte) string
	heard      bool
}

// Read implements net.Conn.
func (c *encrypted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.heard && n == 0 && (refused(err) || hungUp(err)) {
		hint := handshakeHint(c.link, "", err)
		if hungUp(err) {
			err = errHungUp
		}
		err = kept{&Fault{Link: c.link, Addr: c.addr, Err: err, Hint: hint}}
	}
	if !c.heard && n > 0 {
		c.heard = true
		if err := foreign(c.link, c.addr, c.check, b[:n]); err != nil {
			return 0, err
		}
	}
	return n, err
}

// shown is how much of an answer in a foreign protocol an error quotes, in bytes.
const shown = 40

// foreign is the fault of a server that answers in another protocol than the link's, nil where check finds none.
func foreign(link, addr string, check func([]byte) string, first []byte) error {
	if check == nil {
		return nil
	}
	hint := check(first)
	if hint == "" {
		return nil
	}
	return kept{&Fault{Link: link, Addr: addr, Err: fmt.Errorf("the answer begins with %q", first[:min(shown, len(first))]), Hint: hint}}
}
