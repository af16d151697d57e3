package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says how a link is encrypted and who may be at its other end. The zero value is a link in plain text.
type TLS struct {
	Enabled    bool   `koanf:"enabled" help:"encrypt the connections and check the server's certificate"`
	CAFile     string `koanf:"ca_file" help:"PEM file of the authorities that may have signed the server's certificate; empty means those of the system"`
	CertFile   string `koanf:"cert_file" help:"PEM file of softrec's own certificate, for servers that want one"`
	KeyFile    string `koanf:"key_file" help:"PEM file of the private key to cert_file, not encrypted"`
	ServerName string `koanf:"server_name" help:"name the server's certificate must carry; empty means the host that is connected to"`
	MinVersion string `koanf:"min_version" help:"oldest version of TLS that is spoken: 1.2 or 1.3"`
}

// DefaultTLS is plain text; once enabled, TLS 1.2 at least.
func DefaultTLS() TLS { return TLS{MinVersion: "1.2"} }

// Validate reports every fault of t, joined, each naming its field and value. It reads the files.
func (t TLS) Validate() error {
	var errs []error
	bad := func(field, value, format string, args ...any) {
		errs = append(errs, fmt.Errorf("link.tls.%s %q: %w", field, value, fmt.Errorf(format, args...)))
	}
	if _, known := versions[t.MinVersion]; !known {
		bad("min_version", t.MinVersion, "want 1.2 or 1.3")
	}
	if !t.Enabled {
		for _, f := range [][2]string{{"ca_file", t.CAFile}, {"cert_file", t.CertFile}, {"key_file", t.KeyFile}, {"server_name", t.ServerName}} {
			if f[1] != "" { // somebody believes this link to be encrypted
				bad(f[0], f[1], "is given, but tls.enabled is false")
			}
		}
		return errors.Join(errs...)
	}
	if _, err := t.authorities(); err != nil {
		bad("ca_file", t.CAFile, "%w", err)
	}
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		bad("cert_file", t.CertFile, "wants key_file beside it")
	case t.CertFile == "" && t.KeyFile != "":
		bad("key_file", t.KeyFile, "wants cert_file beside it")
	case t.CertFile != "":
		if _, err := t.certificate(); err != nil {
			bad("cert_file", t.CertFile, "%w", err)
		}
	}
	return errors.Join(errs...)
}

var versions = map[string]uint16{"": tls.VersionTLS12, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// config reads the files of t for a connection to host.
func (t TLS) config(host string) (*tls.Config, error) {
	roots, err := t.authorities()
	if err != nil {
		return nil, fmt.Errorf("tls.ca_file %q: %w", t.CAFile, err)
	}
	cfg := &tls.Config{RootCAs: roots, ServerName: t.ServerName, MinVersion: versions[t.MinVersion]}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	if t.CertFile != "" {
		own, err := t.certificate()
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file %q: %w", t.CertFile, err)
		}
		cfg.Certificates = []tls.Certificate{own}
	}
	return cfg, nil
}

// authorities returns nil, which crypto/tls takes for those of the system, without a file.
func (t TLS) authorities() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, bare(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, errors.New("holds no certificate in PEM")
	}
	return pool, nil
}

func (t TLS) certificate() (tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return cert, fmt.Errorf("with key_file %q: %w", t.KeyFile, err)
	}
	return cert, nil
}
