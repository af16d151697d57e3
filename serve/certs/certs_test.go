package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a self-signed certificate named name and returns a pool that trusts it.
func write(t *testing.T, c Config, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"softrec.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, c.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}

// put replaces a file in one step, as tools that renew certificates do.
func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_followsItsFiles(t *testing.T) {
	dir := t.TempDir()
	c := Config{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	first := write(t, c, "first")
	now, logs := time.Now(), &bytes.Buffer{}
	conf, err := Open(c, slog.New(slog.NewTextHandler(logs, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	srv.TLS = conf
	srv.StartTLS()
	defer srv.Close()
	shown := func(pool *x509.CertPool, version uint16) (string, error) {
		conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "softrec.test", MinVersion: tls.VersionTLS10, MaxVersion: version})
		if err != nil {
			return "", err
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	if name, err := shown(first, tls.VersionTLS13); name != "first" || err != nil {
		t.Errorf("shown %q: %v", name, err)
	}
	if _, err := shown(first, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	second := write(t, c, "second")
	now = now.Add(recheck)
	if name, err := shown(second, tls.VersionTLS13); name != "second" || err != nil {
		t.Errorf("after the change: %q: %v", name, err)
	}
	put(t, c.KeyFile, []byte("no key"))
	for range 3 {
		now = now.Add(recheck)
		if name, err := shown(second, tls.VersionTLS13); name != "second" || err != nil {
			t.Errorf("with a broken key: %q: %v", name, err)
		}
	}
	if n := strings.Count(logs.String(), "cannot be used"); n != 1 {
		t.Errorf("%d complaints, want 1:\n%s", n, logs)
	}
	third := write(t, c, "third")
	now = now.Add(recheck)
	if name, err := shown(third, tls.VersionTLS13); name != "third" || err != nil {
		t.Errorf("after the mend: %q: %v", name, err)
	}
}

func TestOpen_faults(t *testing.T) {
	if conf, err := Open(Config{}, nil, time.Now); conf != nil || err != nil {
		t.Errorf("without files: %v %v", conf, err)
	}
	for want, c := range map[string]Config{
		`certs.key_file ""`:  {CertFile: "a"},
		`certs.cert_file ""`: {KeyFile: "a"},
		"absent.crt":         {CertFile: filepath.Join(t.TempDir(), "absent.crt"), KeyFile: "absent.key"},
	} {
		if _, err := Open(c, nil, time.Now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want a fault naming %s, got %v", want, err)
		}
	}
}
