// Package linktest makes certificates for tests of secured links: an authority, and certificates that it signs, as PEM files in a folder
// of the caller's. It promises that each call of New is an authority that no other knows. It needs a *testing.T, keeps nothing and starts
// no goroutine. Only tests import it.
package linktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/link"
)

// Authority signs certificates.
type Authority struct {
	File string // its own certificate in PEM

	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64 // serial number of the newest certificate
}

// New makes an authority with its files in a folder of t's.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir(), last: 1}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(template, template, &a.key.PublicKey)
	a.File = a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

// Pair is a certificate with its key, in memory and as files.
type Pair struct {
	CertFile, KeyFile string
	Certificate       tls.Certificate
}

// Issue signs a certificate for a server at 127.0.0.1 and "localhost", which is as good for a client; change may make it another.
func (a *Authority) Issue(name string, change ...func(*x509.Certificate)) Pair {
	a.t.Helper()
	a.last++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.last), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	for _, c := range change {
		c(template)
	}
	key := a.newKey()
	cert := a.sign(template, a.cert, &key.PublicKey)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return Pair{
		CertFile: a.write(name+".pem", "CERTIFICATE", cert.Raw), KeyFile: a.write(name+".key", "PRIVATE KEY", raw),
		Certificate: tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert},
	}
}

// Server is how a server shows the certificate called name; with clients it wants one of this authority's from each client.
func (a *Authority) Server(name string, clients bool, change ...func(*x509.Certificate)) *tls.Config {
	a.t.Helper()
	cfg := &tls.Config{Certificates: []tls.Certificate{a.Issue(name, change...).Certificate}}
	if clients {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		cfg.ClientCAs.AddCert(a.cert)
	}
	return cfg
}

// Client are the settings that trust this authority, and show the certificate of p where it has one.
func (a *Authority) Client(p Pair) link.TLS {
	t := link.DefaultTLS()
	t.Enabled, t.CAFile, t.CertFile, t.KeyFile = true, a.File, p.CertFile, p.KeyFile
	return t
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *Authority) sign(template, parent *x509.Certificate, public *ecdsa.PublicKey) *x509.Certificate {
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

func (a *Authority) write(name, kind string, raw []byte) string {
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}
