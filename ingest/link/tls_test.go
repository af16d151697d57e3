package link_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softrec/softrec/ingest/link"
	"github.com/softrec/softrec/ingest/link/linktest"
)

func TestTLS_Validate(t *testing.T) {
	ca := linktest.New(t)
	pair, other := ca.Issue("client"), ca.Issue("other")
	cases := map[string]struct {
		settings link.TLS
		want     []string // faults, in order
	}{
		"zero":             {link.TLS{}, nil},
		"default":          {link.DefaultTLS(), nil},
		"all":              {ca.Client(pair), nil},
		"of the system":    {link.TLS{Enabled: true, MinVersion: "1.3"}, nil},
		"files without it": {link.TLS{CAFile: "a", CertFile: "b", KeyFile: "c", ServerName: "d"}, []string{`link.tls.ca_file "a": is given, but tls.enabled is false`, `link.tls.cert_file "b"`, `link.tls.key_file "c"`, `link.tls.server_name "d"`}},
		"old version":      {link.TLS{Enabled: true, MinVersion: "1.1"}, []string{`link.tls.min_version "1.1": want 1.2 or 1.3`}},
		"no such file":     {link.TLS{Enabled: true, CAFile: "none.pem"}, []string{`link.tls.ca_file "none.pem": no such file`}},
		"no certificate":   {link.TLS{Enabled: true, CAFile: pair.KeyFile}, []string{"holds no certificate in PEM"}},
		"no key":           {link.TLS{Enabled: true, CertFile: pair.CertFile}, []string{"wants key_file beside it"}},
		"key alone":        {link.TLS{Enabled: true, KeyFile: pair.KeyFile}, []string{"wants cert_file beside it"}},
		"another's key":    {link.TLS{Enabled: true, CertFile: pair.CertFile, KeyFile: other.KeyFile}, []string{"private key does not match public key"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.settings.Validate()
			if len(c.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted, want %q", c.want)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("%d faults, want %d:\n%v", len(lines), len(c.want), err)
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("fault %q, want %q in it", lines[i], want)
				}
			}
		})
	}
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cases := map[string]struct {
		text       link.Secret
		file       string
		want, fail string
	}{
		"text":         {"a", "", "a", ""},
		"none":         {"", "", "", ""},
		"file":         {"", file("a", "open sesame\n"), "open sesame", ""},
		"windows file": {"", file("b", " open\tsesame \r\n"), " open\tsesame ", ""},
		"empty":        {"", file("c", "\n"), "", "is empty"},
		"missing":      {"", filepath.Join(dir, "none"), "", "no such file"},
		"large":        {"", file("d", strings.Repeat("x", 64<<10+1)), "", "is larger than 65536 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := link.ReadSecret(c.text, c.file)
			if (err != nil) != (c.fail != "") || err != nil && !strings.Contains(err.Error(), c.fail) {
				t.Fatalf("error %v, want %q", err, c.fail)
			}
			if got.Reveal() != c.want {
				t.Errorf("read %q, want %q", got.Reveal(), c.want)
			}
			if err := link.CheckSecret("x.password_file", c.text, c.file); (err != nil) != (c.fail != "") {
				t.Errorf("CheckSecret: %v, want %q", err, c.fail)
			}
		})
	}
	if err := link.CheckSecret("x.password_file", "s3cret", file("e", "y")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("both given: %v, want a complaint that hides the secret", err)
	}
}
