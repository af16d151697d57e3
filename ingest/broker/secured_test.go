package broker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/softrec/softrec/ingest/link"
	"github.com/softrec/softrec/ingest/link/linktest"
	"github.com/softrec/softrec/ingest/retry"
)

const (
	goodUser     = "softrec"
	goodPassword = "Pass-word,with=signs"
)

// secured starts a broker with TLS and logins by every mechanism, and returns settings that get in by one of them.
func secured(t *testing.T, mechanism string, opts ...kfake.Opt) Config {
	t.Helper()
	ca := linktest.New(t)
	opts = append(opts, kfake.TLS(ca.Server("broker", true)), kfake.EnableSASL())
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		opts = append(opts, kfake.Superuser(m, goodUser, goodPassword))
	}
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(500*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cfg := DefaultConfig()
	cfg.SessionTimeout, cfg.HeartbeatInterval, cfg.MetadataInterval = time.Second, 200*time.Millisecond, 200*time.Millisecond
	cfg.Brokers, cfg.TLS = c.ListenAddrs(), ca.Client(ca.Issue("client"))
	cfg.SASL = SASL{Mechanism: mechanism, Username: goodUser, Password: goodPassword}
	return cfg
}

// Every kind of client the package makes gets in, with a password as text or in a file.
func TestSecured_everyClient(t *testing.T) {
	for _, mechanism := range []string{mechanismPlain, mechanismSHA256, mechanismSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			cfg := secured(t, mechanism)
			if mechanism == mechanismSHA512 {
				cfg.SASL.Password, cfg.SASL.PasswordFile = "", passwordFile(t, goodPassword+"\n")
			}
			everyClient(t, cfg)
		})
	}
}

// everyClient sends and reads records in every way there is.
func everyClient(t *testing.T, cfg Config) {
	t.Helper()
	name := topic(t, cfg, 2)
	ctx := within(t, 30*time.Second)
	if err := producer(t, cfg).Publish(ctx, name, numbered(0, 20, 5)...); err != nil {
		t.Fatal(err)
	}
	g := group(t, cfg, name, name)
	recs := fetchN(t, g, 20)
	if err := g.Commit(ctx, recs); err != nil {
		t.Fatal(err)
	}
	if lag, err := g.Lag(ctx); err != nil || lag[0]+lag[1] != 0 {
		t.Errorf("lag of the member %v, %v", lag, err)
	}
	if lag, err := Lag(ctx, cfg, name, name); err != nil || lag[0]+lag[1] != 0 {
		t.Errorf("lag %v, %v", lag, err)
	}
	p, err := NewPartitionSource(cfg, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	fetchN(t, p, 20)
	if ends, err := p.Ends(ctx); err != nil || ends[0]+ends[1] != 20 {
		t.Errorf("ends %v, %v", ends, err)
	}
}

func TestSecured_refusals(t *testing.T) {
	cfg := secured(t, mechanismSHA256)
	stranger := linktest.New(t)
	cases := map[string]struct {
		change func(*Config)
		want   string
	}{
		"wrong password":    {func(c *Config) { c.SASL.Password = "wrong-password" }, `refused the login of user "softrec"`},
		"wrong plain":       {func(c *Config) { c.SASL.Mechanism, c.SASL.Password = mechanismPlain, "wrong-password" }, `refused the login of user "softrec"`},
		"no such user":      {func(c *Config) { c.SASL.Username = "nobody" }, `refused the login of user "nobody"`},
		"unknown authority": {func(c *Config) { c.TLS.CAFile = stranger.File }, "no authority in kafka.tls.ca_file"},
		"no certificate":    {func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = "", "" }, "wants a certificate in kafka.tls.cert_file"},
		"another name":      {func(c *Config) { c.TLS.ServerName = "kafka.example" }, `not for "kafka.example"`},
		"no TLS":            {func(c *Config) { c.TLS = link.DefaultTLS() }, "this port wants TLS (kafka.tls.enabled)"},
		"no login":          {func(c *Config) { c.SASL = SASL{} }, "or it wants a login (kafka.sasl.mechanism)"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			wrong := cfg
			c.change(&wrong)
			// What waiting cannot mend is an error at once; what may be an outage is told to who waits.
			var told []string
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			err := AwaitTopics(ctx, wrong, func(err error) {
				told = append(told, err.Error())
				if strings.Contains(err.Error(), c.want) {
					cancel()
				}
			})
			if err == nil || !strings.Contains(fmt.Sprint(err, told), c.want) {
				t.Errorf("error %v, told %q, want %q", err, told, c.want)
			}
			if err != nil && strings.Contains(fmt.Sprint(err, told), wrong.SASL.Password.Reveal()) && wrong.SASL.Password != "" {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}

// buffer is a log that several goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A password that stops being right while softrec runs: sources go on trying and say why, publishing fails and says so, and with the right
// password in the file again everything goes on. Nothing shows the password.
func TestSecured_aPasswordThatChanges(t *testing.T) {
	cfg := secured(t, mechanismSHA256)
	file := passwordFile(t, goodPassword)
	cfg.SASL.Password, cfg.SASL.PasswordFile = "", file
	name := topic(t, cfg, 1)
	if err := producer(t, cfg).Publish(within(t, 20*time.Second), name, numbered(0, 3, 1)...); err != nil {
		t.Fatal(err)
	}
	const wrong = "not-the-password"
	rewrite(t, file, wrong)

	var log buffer
	to := WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	g, err := NewGroupSource(cfg, name, name, to)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	p, err := NewPartitionSource(cfg, name, nil, to)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	hurried := cfg
	hurried.PublishTimeout = time.Second
	pub, err := NewProducer(hurried, to)
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	err = pub.Publish(within(t, 20*time.Second), name, numbered(3, 4, 1)...)
	if err == nil || !strings.Contains(err.Error(), `refused the login of user "softrec"`) {
		t.Errorf("publish: %v, want a refusal", err)
	}
	for _, line := range []string{"join group again", "list partitions again"} {
		eventually(t, "a line "+line+" that says why", func() bool {
			return slices.ContainsFunc(strings.Split(log.String(), "\n"), func(l string) bool {
				return strings.Contains(l, line) && strings.Contains(l, "refused the login")
			})
		})
	}
	rewrite(t, file, goodPassword)
	fetchN(t, g, 3)
	fetchN(t, p, 3)
	for _, secret := range []string{wrong, goodPassword} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log shows %q:\n%s", secret, log.String())
		}
	}
}

// A user without a right is told which.
func TestSecured_missingRights(t *testing.T) {
	guest := kfake.User("SCRAM-SHA-256", "guest", "guest-password", kfake.ACL{
		Resource: kmsg.ACLResourceTypeTopic, Name: "*", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationDescribe, Allow: true,
	})
	cfg := secured(t, mechanismSHA256, kfake.EnableACLs(), guest)
	name := topic(t, cfg, 1)
	cfg.SASL.Username, cfg.SASL.Password = "guest", "guest-password"
	err := producer(t, cfg).Publish(within(t, 20*time.Second), name, numbered(0, 1, 1)...)
	if want := `user "guest" may not do this with the topic`; err == nil || !strings.Contains(err.Error(), want) || retry.Retryable(err) {
		t.Errorf("publish: %v, want %q and no other try", err, want)
	}
	var log buffer
	g, err := NewGroupSource(cfg, name, "a group", WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	eventually(t, "a line that names the missing right", func() bool {
		return strings.Contains(log.String(), "may not read in this consumer group")
	})
}

func TestSASL_Validate(t *testing.T) {
	file := passwordFile(t, "x")
	cases := map[string]struct {
		settings SASL
		want     string // faults, "" for none
	}{
		"none":            {SASL{}, ""},
		"text":            {SASL{mechanismPlain, "u", "p", ""}, ""},
		"file":            {SASL{mechanismSHA512, "u", "", file}, ""},
		"both":            {SASL{mechanismSHA256, "u", "s3cret", file}, "is given beside the password itself"},
		"no mechanism":    {SASL{"", "u", "s3cret", ""}, `broker.sasl.mechanism "": want scram-sha-256`},
		"other mechanism": {SASL{"gssapi", "u", "s3cret", ""}, `broker.sasl.mechanism "gssapi": want`},
		"no user":         {SASL{mechanismSHA256, "", "s3cret", ""}, "broker.sasl.username"},
		"no password":     {SASL{mechanismSHA256, "u", "", ""}, "broker.sasl.password_file"},
		"no file":         {SASL{mechanismSHA256, "u", "", "none"}, `broker.sasl.password_file "none": no such file`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.settings.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password shows: %v", err)
			}
			if full := fmt.Sprintf("%+v %#v", c.settings, c.settings); strings.Contains(full, "s3cret") {
				t.Errorf("printed with its password: %s", full)
			}
		})
	}
}

func passwordFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	rewrite(t, path, text)
	return path
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
