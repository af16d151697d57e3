// Package certs gives HTTP servers a certificate that may be replaced while they run.
//
// It owns the pair of PEM files and promises that a connection which begins a second after both files were replaced gets
// the new certificate, that a pair which cannot be used leaves the one in use, with a line in the log, and that nothing
// older than TLS 1.2 is spoken. It needs files that are replaced, not edited in place. It starts no goroutine: the files
// are looked at by handshakes, at most once a second.
package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Config names the certificate of a server.
type Config struct {
	CertFile string `koanf:"cert_file" help:"PEM file with the certificate and its chain; empty means plain HTTP"`
	KeyFile  string `koanf:"key_file" help:"PEM file with the private key of that certificate"`
}

// On reports whether there is a certificate.
func (c Config) On() bool { return c.CertFile != "" || c.KeyFile != "" }

// Validate reports a file without its other half.
func (c Config) Validate() error {
	switch {
	case c.CertFile == "" && c.KeyFile != "":
		return fmt.Errorf("certs.cert_file %q: want the certificate of key_file %q", c.CertFile, c.KeyFile)
	case c.CertFile != "" && c.KeyFile == "":
		return fmt.Errorf("certs.key_file %q: want the key of cert_file %q", c.KeyFile, c.CertFile)
	}
	return nil
}

// recheck is how often handshakes look at the files.
const recheck = time.Second

// pair is the certificate in use.
type pair struct {
	cfg Config
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex // guards what follows
	cert   *tls.Certificate
	seen   [2]os.FileInfo
	nextAt time.Time
	said   string // the fault that was logged
}

// Open reads the certificate of c and returns a configuration that follows its files; nil when c names none.
func Open(c Config, log *slog.Logger, now func() time.Time) (*tls.Config, error) {
	if !c.On() {
		return nil, nil
	}
	p := &pair{cfg: c, log: log, now: now}
	if err := errors.Join(c.Validate(), p.load()); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.get}, nil
}

// get returns the certificate for a handshake.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); !now.Before(p.nextAt) {
		p.nextAt = now.Add(recheck)
		p.follow()
	}
	return p.cert, nil
}

// follow loads the files when they are others than before.
func (p *pair) follow() {
	infos, err := p.stat()
	if err == nil && p.said == "" && same(infos[0], p.seen[0]) && same(infos[1], p.seen[1]) {
		return
	}
	if err == nil {
		err = p.load()
	}
	if err == nil {
		p.said = ""
		p.log.Info("certificate was read anew", "file", p.cfg.CertFile, "until", p.cert.Leaf.NotAfter)
		return
	}
	if text := err.Error(); text != p.said {
		p.said = text
		p.log.Error("certificate cannot be used: the one before stays", "err", err)
	}
}

// load reads both files; on an error nothing changes.
func (p *pair) load() error {
	infos, err := p.stat() // before the content: what is written in between is seen as a change
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(p.cfg.CertFile, p.cfg.KeyFile)
	if err != nil {
		return fmt.Errorf("certs.cert_file %q with key_file %q: %w", p.cfg.CertFile, p.cfg.KeyFile, err)
	}
	p.cert, p.seen = &cert, infos
	return nil
}

func (p *pair) stat() (infos [2]os.FileInfo, err error) {
	var errs [2]error
	infos[0], errs[0] = os.Stat(p.cfg.CertFile)
	infos[1], errs[1] = os.Stat(p.cfg.KeyFile)
	return infos, errors.Join(errs[0], errs[1])
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
