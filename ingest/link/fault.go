package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Fault is a link that cannot be opened or used, with what an operator should look at.
type Fault struct {
	Link string // "kafka" or "redis": the section of the settings
	Addr string // host:port; empty when the fault is not about one server
	Err  error
	Hint string // what to look at, in words that name the settings
}

// Error reads `kafka at 10.0.0.1:9093: x509: ...: <hint>`.
func (f *Fault) Error() string {
	at := f.Link
	if f.Addr != "" {
		at += " at " + f.Addr
	}
	return fmt.Sprintf("%s: %v: %s", at, f.Err, f.Hint)
}

// Unwrap gives the error itself, which decides whether another try may help.
func (f *Fault) Unwrap() error { return f.Err }

// kept is a fault in a coat: go-redis takes the outermost wrapping off an error with which the first words on a connection failed.
type kept struct{ fault *Fault }

// Error is that of the fault.
func (k kept) Error() string { return k.fault.Error() }

// Unwrap gives the fault.
func (k kept) Unwrap() error { return k.fault }

// handshakeHint says what to do about an error of a TLS handshake, or of the first answer after it. name is what the certificate had to
// carry.
func handshakeHint(link, name string, err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	section := link + ".tls."
	switch {
	case errors.As(err, &unknown):
		return "no authority in " + section + "ca_file has signed the server's certificate"
	case errors.As(err, &host):
		return fmt.Sprintf("the server's certificate is not for %q: connect by a name it carries, or give that in %sserver_name", name, section)
	case errors.As(err, &invalid):
		return "the server's certificate is not valid: renew it, or mend the clock of this machine"
	case errors.As(err, &record):
		return "this port does not speak TLS: unset " + section + "enabled, or use the server's TLS port"
	case refused(err), strings.Contains(err.Error(), "protocol version"):
		return refusalHint(section, err.Error())
	case hungUp(err):
		return "the server closed the connection during the TLS handshake: it is going down, the port speaks plain text, or it wants a certificate in " + section + "cert_file"
	default:
		return "the TLS handshake failed: see " + section + "* and the server's log"
	}
}

// refusalHint explains the alert with which a server refused us. crypto/tls gives it as text alone.
func refusalHint(section, text string) string {
	switch {
	case strings.Contains(text, "certificate required"), strings.Contains(text, "handshake failure"):
		return "the server wants a certificate in " + section + "cert_file, or shares no cipher"
	case strings.Contains(text, "certificate"):
		return "the server does not accept the certificate in " + section + "cert_file: does it trust its authority, and is it still valid?"
	case strings.Contains(text, "protocol version"):
		return "the server speaks only versions of TLS below " + section + "min_version"
	default:
		return "the server refused the TLS handshake: see its log"
	}
}

// refused reports whether the peer sent a TLS alert.
func refused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// errHungUp stands for io.EOF before the first answer: kafka-go replaces what wraps io.EOF by another error, and its explanation with it.
var errHungUp error = hangUp{}

type hangUp struct{}

// Error implements error.
func (hangUp) Error() string { return "connection closed" }

// Temporary makes retry.Retryable take it for what may pass.
func (hangUp) Temporary() bool { return true }

// hungUp reports whether the peer just closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
