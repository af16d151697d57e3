package serve

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Frames of HTTP/2 (RFC 9113, section 6).
const (
	frameData, frameHeaders, frameSettings, framePing, frameWindow, frameContinuation = 0, 1, 4, 6, 8, 9
	endStream, ack, endHeaders                                                        = 1, 1, 4
)

const hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func h2frame(kind, flags byte, stream uint32, payload string) string {
	b := []byte{0, byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return string(binary.BigEndian.AppendUint32(b, stream)) + payload
}

// asks is the header block of a GET (RFC 7541).
func asks(path string) string {
	return "\x82\x86" + "\x04" + string(rune(len(path))) + path + "\x01\x01a"
}

// bareClient is an HTTP/2 client of which the test writes each frame. It reads all that comes and answers pings.
type bareClient struct {
	net.Conn
	mu      sync.Mutex    // one frame at a time is written
	pings   chan struct{} // one for each that was answered
	answers chan struct{} // one for each answer that ended
	closed  chan struct{} // by the server
}

func (c *bareClient) send(frames ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := io.WriteString(c.Conn, strings.Join(frames, ""))
	return err
}

// read ends when the server has closed the connection; mute answers no pings.
func (c *bareClient) read(mute bool) {
	defer close(c.closed)
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(c.Conn, head); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c.Conn, payload); err != nil {
			return
		}
		switch kind, flags := head[3], head[4]; {
		case kind == framePing && flags&ack == 0 && !mute:
			_ = c.send(h2frame(framePing, ack, 0, string(payload)))
			c.pings <- struct{}{}
		case (kind == frameData || kind == frameHeaders) && flags&endStream != 0:
			c.answers <- struct{}{}
		}
	}
}

// Clients of HTTP/2, with and without TLS, that say too little to be answered and too much to be idle: none stays.
func TestServers_loiterersOverHTTP2(t *testing.T) {
	const patience = time.Minute
	// dials are the ways to a server that waits pong for the answer to a ping.
	dials := func(pong time.Duration) map[string]func() (net.Conn, error) {
		st := newStack(t, func(c *Config, _ *Deps) {
			c.ReadHeaderTimeout, c.ReadTimeout, c.WriteTimeout, c.IdleTimeout = 300*time.Millisecond, pong, time.Second, time.Hour
			c.PublishTimeout, c.VisibleWait, c.RedisTimeout = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
			c.Hosts = []string{"a"}
		}).stock(3).refresh()
		api, _ := st.serving()
		public, _ := st.s.servers()
		secret := httptest.NewUnstartedServer(nil)
		secret.Config, secret.EnableHTTP2 = public, true
		secret.StartTLS()
		t.Cleanup(secret.Close)
		return map[string]func() (net.Conn, error){
			"h2c": func() (net.Conn, error) { return net.Dial("tcp", api) },
			"h2": func() (net.Conn, error) {
				return tls.Dial("tcp", secret.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
			},
		}
	}
	hasty, calm := dials(600*time.Millisecond), dials(patience) // who is to stay is on a busy machine not always quick to answer
	const whole = endStream | endHeaders
	for name, tt := range map[string]struct {
		first bool // a request is asked and answered before
		sends []string
		drips string // again and again
		mute  bool
		stays bool
	}{
		"hello, pings answered":         {sends: []string{h2frame(frameSettings, 0, 0, "")}},
		"hello, pings of its own":       {sends: []string{h2frame(frameSettings, 0, 0, "")}, drips: h2frame(framePing, 0, 0, "12345678")},
		"headers without an end":        {sends: []string{h2frame(frameSettings, 0, 0, ""), h2frame(frameHeaders, endStream, 1, asks("/v1/popular"))}},
		"headers that never end":        {sends: []string{h2frame(frameSettings, 0, 0, ""), h2frame(frameHeaders, endStream, 1, asks("/v1/popular"))}, drips: h2frame(frameContinuation, 0, 1, "")},
		"headers without an end, later": {first: true, sends: []string{h2frame(frameHeaders, endStream, 3, asks("/v1/popular"))}},
		"headers that never end, later": {first: true, sends: []string{h2frame(frameHeaders, endStream, 3, asks("/v1/popular"))}, drips: h2frame(frameContinuation, 0, 3, "")},
		"half a frame, later":           {first: true, sends: []string{h2frame(frameHeaders, whole, 3, asks("/v1/popular"))[:12]}},
		"no answer to pings":            {first: true, mute: true},
		"a client that answers them":    {first: true, stays: true},
	} {
		ways := hasty
		if tt.stays {
			ways = calm
		}
		for protocol, dial := range ways {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				t.Parallel()
				begin := hello
				if tt.first {
					begin += h2frame(frameSettings, 0, 0, "") + h2frame(frameHeaders, whole, 1, asks("/v1/popular"))
				}
				// open is a connection on which what begins it was sent and answered. The server may have closed it before: on a busy
				// machine this client is a loiterer without wanting to be.
				open := func() (*bareClient, error) {
					conn, err := dial()
					if err != nil {
						return nil, err
					}
					c := &bareClient{Conn: conn, pings: make(chan struct{}, 1000), answers: make(chan struct{}, 10), closed: make(chan struct{})}
					go c.read(tt.mute)
					t.Cleanup(func() { _ = conn.Close(); <-c.closed })
					_ = c.send(begin)
					if !tt.first {
						return c, nil
					}
					select {
					case <-c.answers:
						return c, nil
					case <-c.closed:
						return nil, net.ErrClosed
					case <-time.After(patience):
						return nil, errors.New("no answer")
					}
				}
				c, err := open()
				for began := time.Now(); err != nil; c, err = open() {
					if time.Since(began) > patience {
						t.Fatal(err)
					}
				}
				late := time.After(patience)
				_ = c.send(tt.sends...)
				if tt.stays {
					for range 4 { // longer than all bounds but that of idle connections
						select {
						case <-c.pings:
						case <-c.closed:
							t.Fatal("closed")
						case <-late:
							t.Fatal("no ping")
						}
					}
					_ = c.send(h2frame(frameHeaders, whole, 5, asks("/v1/popular")))
					select {
					case <-c.answers:
					case <-c.closed:
						t.Fatal("closed")
					case <-late:
						t.Fatal("no answer")
					}
					return
				}
				tick := time.NewTicker(50 * time.Millisecond) // the slowness is the point
				defer tick.Stop()
				for {
					select {
					case <-c.closed:
						return
					case <-late:
						t.Fatalf("still open after %s", patience)
					case <-tick.C:
						_ = c.send(tt.drips)
					}
				}
			})
		}
	}
}

// Who asks for much and takes nothing of it loses the connection, however much it says meanwhile.
func TestServers_takersOfNothingOverHTTP2(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) {
		c.ReadHeaderTimeout, c.WriteTimeout, c.IdleTimeout, c.Hosts = time.Second, 500*time.Millisecond, time.Hour, []string{"a"}
		c.PublishTimeout, c.VisibleWait, c.RedisTimeout = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
	}).stock(3).refresh()
	server := httptest.NewUnstartedServer(nil)
	server.Config, _ = st.s.servers()
	closed := make(chan struct{})
	const room = 64 << 10 // what a kernel would hold for a client at most is its own affair, and can be more than all that is asked for
	server.Config.ConnState = func(conn net.Conn, now http.ConnState) {
		switch now {
		case http.StateNew:
			if err := conn.(*net.TCPConn).SetWriteBuffer(room); err != nil {
				t.Error(err)
			}
		case http.StateClosed:
			close(closed)
		}
	}
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.(*net.TCPConn).SetReadBuffer(room); err != nil {
		t.Fatal(err)
	}
	c := &bareClient{Conn: conn}
	const window = "\x7f\x00\x00\x00" // as many bytes as it may be sent
	begin := hello + h2frame(frameSettings, 0, 0, "\x00\x04"+window) + h2frame(frameWindow, 0, 0, window)
	stream := uint32(1)
	more := func() (all string) {
		for range 20 {
			all += h2frame(frameHeaders, endStream|endHeaders, stream, asks(openAPIPath))
			stream += 2
		}
		return all
	}
	const patience = 30 * time.Second
	late := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond) // frames come all the while
	defer tick.Stop()
	_ = c.send(begin)
	for {
		select {
		case <-closed:
			return
		case <-late:
			t.Fatalf("still open after %s and %d requests", patience, stream/2)
		case <-tick.C:
			if stream < 1000 {
				_ = c.send(more())
			} else {
				_ = c.send(h2frame(framePing, ack, 0, "12345678"))
			}
		}
	}
}

// The admin port speaks HTTP/1 alone, also to who would rather speak HTTP/2.
func TestServers_adminSpeaksHTTP1(t *testing.T) {
	st := newStack(t)
	donor := httptest.NewTLSServer(nil)
	defer donor.Close()
	_, private := st.s.servers()
	private.TLSConfig = &tls.Config{Certificates: donor.TLS.Certificates}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- listenOn(private, l) }()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	resp, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.ProtoMajor != 1 || resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
	transport.CloseIdleConnections()
	if err := errors.Join(private.Close(), <-ended); err != nil {
		t.Error(err)
	}
}

// A hello over HTTP/2 and nothing is as bad as no hello: the server's own patience with these, two seconds, is not asked for. By the machine's clock that could not
// be told from a busy machine.
func TestHasten_helloAndNothing(t *testing.T) {
	const wait = 300 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		port := newPipePort()
		srv := &http.Server{Protocols: protocols(), ReadHeaderTimeout: wait}
		hasten(srv, wait)
		served := make(chan error, 1)
		go func() { served <- listenOn(srv, port) }()
		conn, err := port.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		began := time.Now()
		if _, err := io.WriteString(conn, hello); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != wait {
			t.Errorf("the connection was open for %s, want %s", d, wait)
		}
		if err := errors.Join(srv.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
}
