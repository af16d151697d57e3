package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
)

// The port that the last call has closed may be closed once more, and then takes nobody.
func TestLastCall_closedTwice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	door := newLastCall(l)
	ended := make(chan error, 1)
	go func() {
		_, err := door.Accept()
		ended <- err
	}()
	door.leave(context.Background())
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ended with %v", err)
	}
	for range 2 {
		if err := door.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
	}
	door.leave(context.Background()) // returns at once
}

// pipePort is a port within the process, for tests whose clock is not the machine's.
type pipePort struct {
	callers  chan net.Conn
	closed   chan struct{}
	once     sync.Once
	deadline atomic.Int64
}

func newPipePort() *pipePort {
	return &pipePort{callers: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipePort) Accept() (net.Conn, error) {
	for {
		if at := p.deadline.Load(); at != 0 && time.Now().UnixNano() >= at { // as with a real one, whether somebody is there or not
			return nil, os.ErrDeadlineExceeded
		}
		select {
		case c := <-p.callers:
			return c, nil
		case <-p.closed:
			return nil, net.ErrClosed
		case <-time.After(100 * time.Microsecond):
		}
	}
}

func (p *pipePort) SetDeadline(at time.Time) error {
	p.deadline.Store(at.UnixNano())
	select {
	case <-p.closed:
		return net.ErrClosed
	default:
		return nil
	}
}

func (p *pipePort) Close() error {
	err := net.ErrClosed
	p.once.Do(func() { close(p.closed); err = nil })
	return err
}

func (p *pipePort) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipePort) dial() (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.callers <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

const plainRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// answerOf reads an answer of HTTP/1.
func answerOf(conn net.Conn) error {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// Everybody who is at the door when it closes is answered, and who asks nothing does not hold it up for long.
func TestLastCall_answersWhoHasCome(t *testing.T) {
	donor := httptest.NewTLSServer(nil)
	defer donor.Close()
	const handling, moment = 3 * time.Second, 400 * time.Millisecond // Shutdown looks around ever less often
	says := func(text string) func(net.Conn) error {
		return func(conn net.Conn) error { _, err := io.WriteString(conn, text); return err }
	}
	for name, tt := range map[string]struct {
		secret bool
		before func(conn net.Conn) error // and then the stop comes
		after  func(conn net.Conn) error // nil: the server hangs up
		takes  time.Duration             // the stop, with something on top
	}{
		"a request in two parts": {
			before: says(plainRequest[:20]),
			after: func(conn net.Conn) error {
				time.Sleep(time.Second)
				return errors.Join(says(plainRequest[20:])(conn), answerOf(conn))
			},
			takes: time.Second,
		},
		"a request that takes long": {before: says("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"), after: answerOf, takes: handling},
		"hello over HTTP/2 and then a request": {
			before: says(hello + h2frame(frameSettings, 0, 0, "")),
			after: func(conn net.Conn) error {
				c := &bareClient{Conn: conn, pings: make(chan struct{}, 10), answers: make(chan struct{}, 1), closed: make(chan struct{})}
				go c.read(false)
				time.Sleep(time.Second)
				if err := c.send(h2frame(frameHeaders, endStream|endHeaders, 1, asks("/"))); err != nil {
					return err
				}
				select {
				case <-c.answers:
					return nil
				case <-c.closed:
					return io.EOF
				}
			},
			takes: 2 * time.Second, // with the farewell of HTTP/2
		},
		"a request before, no more": {before: func(conn net.Conn) error { return errors.Join(says(plainRequest)(conn), answerOf(conn)) }},
		"nothing":                   {before: says(""), takes: 2 * time.Second},
		"half a request":            {before: says(plainRequest[:20]), takes: 2 * time.Second},
		"a TLS handshake, no more":  {secret: true, before: func(conn net.Conn) error { return conn.(*tls.Conn).Handshake() }, takes: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				port := newPipePort()
				door := newLastCall(port)
				srv := &http.Server{Protocols: protocols(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						time.Sleep(handling)
					}
					if door.leaving.Load() {
						w.Header().Set("Connection", "close")
					}
				})}
				if tt.secret {
					srv.TLSConfig = &tls.Config{Certificates: donor.TLS.Certificates}
				}
				door.attend(srv)
				served := make(chan error, 1)
				go func() { served <- listenOn(srv, door) }()
				conn, err := port.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				if tt.secret {
					conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
				}
				if err := tt.before(conn); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				took := make(chan time.Duration, 1)
				go func() {
					began := time.Now()
					door.leave(t.Context())
					if err := srv.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
					took <- time.Since(began)
				}()
				if tt.after == nil {
					if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // TLS misses its farewell
						t.Errorf("the connection ended with %v", err)
					}
				} else if err := tt.after(conn); err != nil {
					t.Errorf("not answered: %v", err)
				}
				if d := <-took; d < tt.takes-moment || d > tt.takes+moment {
					t.Errorf("the stop took %s, want some %s", d, tt.takes)
				}
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A port to which somebody comes all the time is closed all the same, and all who had come are answered.
func TestLastCall_closesABusyPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := newPipePort()
		door := newLastCall(port)
		srv := &http.Server{Protocols: protocols(), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })}
		door.attend(srv)
		served := make(chan error, 1)
		go func() { served <- listenOn(srv, door) }()
		var answers errgroup.Group
		refused := make(chan struct{})
		go func() {
			defer close(refused)
			for {
				conn, err := port.dial()
				if err != nil {
					return
				}
				answers.Go(func() error {
					defer func() { _ = conn.Close() }()
					time.Sleep(300 * time.Millisecond) // a busy client
					_, err := io.WriteString(conn, plainRequest)
					return errors.Join(err, answerOf(conn))
				})
				time.Sleep(quietPort / 5)
			}
		}()
		time.Sleep(time.Second)
		door.leave(t.Context())
		select {
		case <-refused:
		default:
			t.Error("the port is still open")
		}
		if err := errors.Join(srv.Shutdown(t.Context()), <-served); err != nil {
			t.Error(err)
		}
		<-refused
		if err := answers.Wait(); err != nil {
			t.Errorf("somebody was not answered: %v", err)
		}
	})
}

// overslept is a port whose first deadline passes while its process has no turn: a caller that came meanwhile is found by the next look only.
type overslept struct {
	*pipePort
	looks int
	there net.Conn
}

func (o *overslept) Accept() (net.Conn, error) {
	o.looks++
	switch o.looks {
	case 1:
		time.Sleep(quietPort) // the whole of the window: it looks like a quiet one
		return nil, os.ErrDeadlineExceeded
	case 2:
		return o.there, nil
	}
	return o.pipePort.Accept()
}

func TestLastCall_findsWhoCameWhileItSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer func() { _ = here.Close() }()
		door := newLastCall(&overslept{pipePort: newPipePort(), there: there})
		door.leaving.Store(true)
		if err := door.extend(); err != nil {
			t.Fatal(err)
		}
		if c, err := door.Accept(); err != nil || c != there {
			t.Fatalf("%v, %v: want the caller who waits", c, err)
		}
		if _, err := door.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v: want the port closed once nobody comes", err)
		}
	})
}
