package link_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/link"
	"github.com/softrec/softrec/ingest/link/linktest"
	"github.com/softrec/softrec/ingest/retry"
)

// greeting is longer than the header of a TLS record: a server that waits for the rest of one says nothing.
const greeting = "ping, ping"

// echo is a server that answers what it hears, over TLS when cfg is given; it hangs up on what is no TLS, as real servers do.
func echo(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg != nil {
		l = tls.NewListener(l, cfg)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, len(greeting))
			if _, err := io.ReadFull(conn, b); err == nil && string(b) == greeting {
				_, _ = conn.Write(b)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// ping opens a connection and wants an answer over it.
func ping(t *testing.T, settings link.TLS, addr string) error {
	t.Helper()
	conn, err := link.NewDialer("kafka", settings, 10*time.Second).Dial(t.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(greeting)); err != nil {
		return err
	}
	b := make([]byte, len(greeting))
	_, err = io.ReadFull(conn, b)
	if err == nil && string(b) != greeting {
		err = errors.New("another answer: " + string(b))
	}
	return err
}

func TestDial(t *testing.T) {
	ours, others := linktest.New(t), linktest.New(t)
	good, expired, none := ours.Issue("client"), ours.Issue("expired", expire), linktest.Pair{}
	named := func(s link.TLS, name string) link.TLS { s.ServerName = name; return s }
	newest := func(s link.TLS) link.TLS { s.MinVersion = "1.3"; return s }
	old := ours.Server("old", false)
	old.MaxVersion = tls.VersionTLS12
	cases := map[string]struct {
		server *tls.Config // nil for plain text
		client link.TLS
		want   string // of the error; empty for none
		retry  bool   // another try may help
	}{
		"plain":                        {nil, link.DefaultTLS(), "", false},
		"tls":                          {ours.Server("a", false), ours.Client(none), "", false},
		"tls with a certificate":       {ours.Server("b", true), ours.Client(good), "", false},
		"another name":                 {ours.Server("c", false, forHost("kafka.example")), named(ours.Client(none), "kafka.example"), "", false},
		"unknown authority":            {others.Server("d", false), ours.Client(none), "no authority in kafka.tls.ca_file has signed the server's certificate", false},
		"authorities of the system":    {ours.Server("e", false), link.TLS{Enabled: true}, "no authority in kafka.tls.ca_file", false},
		"for somebody else":            {ours.Server("f", false, forHost("kafka.example")), ours.Client(none), `not for "127.0.0.1"`, false},
		"expired":                      {ours.Server("g", false, expire), ours.Client(none), "not valid: renew it", false},
		"no certificate where wanted":  {ours.Server("h", true), ours.Client(none), "wants a certificate in kafka.tls.cert_file", false},
		"a certificate of others":      {ours.Server("i", true), ours.Client(others.Issue("x")), "does not accept the certificate in kafka.tls.cert_file", false},
		"a certificate that has ended": {ours.Server("j", true), ours.Client(expired), "does not accept the certificate in kafka.tls.cert_file", false},
		"too old a version":            {old, newest(ours.Client(none)), "below kafka.tls.min_version", false},
		"tls to a plain port":          {nil, ours.Client(none), "closed the connection during the TLS handshake", true},
		"plain to a tls port":          {ours.Server("k", false), link.DefaultTLS(), "kafka.tls.enabled", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := ping(t, c.client, echo(t, c.server))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var fault *link.Fault
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "kafka at 127.0.0.1:") {
				t.Fatalf("error %v, want a fault with %q", err, c.want)
			}
			if retry.Retryable(err) != c.retry {
				t.Errorf("retryable: %t, want %t: %v", !c.retry, c.retry, err)
			}
		})
	}
}

func expire(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

func forHost(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{name}, nil }
}

// Some servers answer plain text on their TLS port with an alert.
func TestDial_anAlertInPlainText(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Write([]byte{0x15, 0x03, 0x03, 0, 2, 2, 70})
			_ = conn.Close()
		}
	}()
	err = ping(t, link.DefaultTLS(), l.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "this port speaks TLS: set kafka.tls.enabled") || retry.Retryable(err) {
		t.Errorf("error %v, want one that says that the port speaks TLS, and that no retry helps", err)
	}
}

// Certificates are renewed under the same names: the next connection takes the new ones.
func TestDial_renewedFiles(t *testing.T) {
	before, after := linktest.New(t), linktest.New(t)
	settings := before.Client(before.Issue("client"))
	if err := ping(t, settings, echo(t, before.Server("before", true))); err != nil {
		t.Fatal(err)
	}
	second := echo(t, after.Server("after", true))
	if err := ping(t, settings, second); err == nil {
		t.Fatal("a server of an unknown authority was trusted")
	}
	renewed := after.Issue("client")
	for to, from := range map[string]string{settings.CAFile: after.File, settings.CertFile: renewed.CertFile, settings.KeyFile: renewed.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := ping(t, settings, second); err != nil {
		t.Errorf("with renewed files: %v", err)
	}
	if err := os.Remove(settings.CAFile); err != nil {
		t.Fatal(err)
	}
	if err := ping(t, settings, second); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("without the file: %v", err)
	}
}

// A server that accepts and says nothing must not hold a dial for ever.
func TestDial_aSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours := linktest.New(t)
	_, err = link.NewDialer("redis", ours.Client(linktest.Pair{}), 50*time.Millisecond).Dial(t.Context(), "tcp", l.Addr().String())
	if !errors.Is(err, context.DeadlineExceeded) || !retry.Retryable(err) {
		t.Errorf("error %v, want the deadline, and another try", err)
	}
}
