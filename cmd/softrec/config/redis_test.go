package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/link"
	"github.com/softrec/softrec/ingest/link/linktest"
	"github.com/softrec/softrec/ingest/retry"
)

const (
	aclUser     = "softrec"
	aclPassword = "Pass word&with:signs"
)

// securedRedis starts a server with TLS, certificates for clients and an ACL user, and returns settings that get in.
func securedRedis(t *testing.T) (Redis, *linktest.Authority, *miniredis.Miniredis) {
	t.Helper()
	ca := linktest.New(t)
	m := miniredis.NewMiniRedis()
	if err := m.StartTLS(ca.Server("redis", true)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.RequireUserAuth(aclUser, aclPassword)
	r := DefaultRedis()
	r.Addrs, r.Username, r.Password, r.TLS = []string{m.Addr()}, aclUser, aclPassword, ca.Client(ca.Issue("client"))
	return r, ca, m
}

func ask(t *testing.T, r Redis) error {
	t.Helper()
	rdb, err := r.Open()
	if err != nil {
		return err
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := rdb.Set(ctx, "k", "v", 0).Err(); err != nil {
		return err
	}
	_, err = rdb.Pipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "k"); p.Get(ctx, "k"); return nil })
	return err
}

func TestRedis_Open(t *testing.T) {
	good, _, m := securedRedis(t)
	open := miniredis.RunT(t)
	stranger := linktest.New(t)
	file := secretFile(t, aclPassword+"\n")
	cases := map[string]struct {
		change func(*Redis)
		want   string // of the error; empty for none
		retry  bool
	}{
		"password":          {func(*Redis) {}, "", false},
		"password file":     {func(r *Redis) { r.Password, r.PasswordFile = "", file }, "", false},
		"a cluster":         {func(r *Redis) { r.Cluster = true }, "", false},
		"wrong password":    {func(r *Redis) { r.Password = "wrong-password" }, `Redis refused the login of user "softrec": check redis.username`, false},
		"no such user":      {func(r *Redis) { r.Username = "nobody" }, `refused the login of user "nobody"`, false},
		"no login":          {func(r *Redis) { r.Username, r.Password = "", "" }, "Redis wants a login: set redis.password_file", false},
		"unknown authority": {func(r *Redis) { r.TLS.CAFile = stranger.File }, "no authority in redis.tls.ca_file", false},
		"another name":      {func(r *Redis) { r.TLS.ServerName = "redis.example" }, `not for "redis.example"`, false},
		"no certificate":    {func(r *Redis) { r.TLS.CertFile, r.TLS.KeyFile = "", "" }, "wants a certificate in redis.tls.cert_file", false},
		"no TLS":            {func(r *Redis) { r.TLS = link.DefaultTLS() }, "this port wants TLS (redis.tls.enabled)", true},
		"TLS to plain port": {func(r *Redis) { r.Addrs = []string{open.Addr()} }, "the port speaks plain text", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := good
			c.change(&r)
			err := ask(t, r)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if retry.Retryable(err) != c.retry {
				t.Errorf("retryable %t, want %t: %v", !c.retry, c.retry, err)
			}
			for _, secret := range []string{aclPassword, "wrong-password"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the password shows: %v", err)
				}
			}
		})
	}
	if !slices.Contains(m.Keys(), "k") {
		t.Error("nothing was written")
	}
}

// The file is read anew for each connection: a changed password needs no restart.
func TestRedis_aPasswordThatChanges(t *testing.T) {
	r, _, m := securedRedis(t)
	r.Password, r.PasswordFile = "", secretFile(t, aclPassword)
	rdb, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.PasswordFile, []byte("the next one"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := m.Addr()
	m.Close() // ends the connections
	again := miniredis.NewMiniRedis()
	ca := linktest.New(t)
	if err := again.StartAddrTLS(addr, ca.Server("redis", false)); err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	again.RequireUserAuth(aclUser, "the next one")
	if err := os.Rename(ca.File, r.TLS.CAFile); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for err = rdb.Ping(t.Context()).Err(); err != nil; err = rdb.Ping(t.Context()).Err() {
		if time.Now().After(deadline) {
			t.Fatalf("with the new password and the new authority: %v", err)
		}
	}
	if err := os.Remove(r.PasswordFile); err != nil {
		t.Fatal(err)
	}
	if err := ask(t, r); err == nil || !strings.Contains(err.Error(), "redis.password_file") {
		t.Errorf("without the file: %v", err)
	}
}

// sentinel knows of one master, which may move.
type sentinel struct {
	mu     sync.Mutex
	master string
	logins int
}

// newSentinel speaks as much of the protocol as go-redis asks a sentinel for, behind TLS and a login.
func newSentinel(t *testing.T, ca *linktest.Authority, password string) (*sentinel, string) {
	t.Helper()
	s := &sentinel{}
	srv, err := server.NewServerTLS("127.0.0.1:0", ca.Server("sentinel", false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	register := func(name string, f server.Cmd) {
		if err := srv.Register(name, f); err != nil {
			t.Fatal(err)
		}
	}
	var in sync.Map // peers that logged in
	guarded := func(f server.Cmd) server.Cmd {
		return func(c *server.Peer, cmd string, args []string) {
			if _, ok := in.Load(c); !ok {
				c.WriteError("NOAUTH Authentication required.")
				return
			}
			f(c, cmd, args)
		}
	}
	register("AUTH", func(c *server.Peer, _ string, args []string) {
		if args[len(args)-1] != password {
			c.WriteError("WRONGPASS invalid username-password pair or user is disabled.")
			return
		}
		in.Store(c, true)
		s.mu.Lock()
		s.logins++
		s.mu.Unlock()
		c.WriteOK()
	})
	register("CLIENT", guarded(func(c *server.Peer, _ string, _ []string) { c.WriteOK() }))
	register("SUBSCRIBE", guarded(func(c *server.Peer, _ string, args []string) {
		for i, channel := range args {
			c.WriteLen(3)
			c.WriteBulk("subscribe")
			c.WriteBulk(channel)
			c.WriteInt(i + 1)
		}
	}))
	register("PING", guarded(func(c *server.Peer, _ string, _ []string) { c.WriteInline("PONG") }))
	register("SENTINEL", guarded(func(c *server.Peer, _ string, args []string) {
		if !strings.EqualFold(args[0], "get-master-addr-by-name") || args[1] != "recommendations" {
			c.WriteLen(0)
			return
		}
		s.mu.Lock()
		host, port, _ := strings.Cut(s.master, ":")
		s.mu.Unlock()
		c.WriteLen(2)
		c.WriteBulk(host)
		c.WriteBulk(port)
	}))
	return s, srv.Addr().String()
}

func TestRedis_sentinel(t *testing.T) {
	r, ca, first := securedRedis(t)
	const own = "sentinel's own password"
	s, addr := newSentinel(t, ca, own)
	s.master = first.Addr()
	r.Addrs = nil
	r.Sentinel = Sentinel{Addrs: []string{addr}, Master: "recommendations", PasswordFile: secretFile(t, own+"\n")}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	rdb, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if err := rdb.Set(t.Context(), "at", "first", 0).Err(); err != nil {
		t.Fatal(err)
	}
	// The master dies and another takes over: the same client finds it.
	second := miniredis.NewMiniRedis()
	if err := second.StartTLS(ca.Server("redis2", true)); err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.RequireUserAuth(aclUser, aclPassword)
	first.Close()
	s.mu.Lock()
	s.master = second.Addr()
	s.mu.Unlock()
	deadline := time.Now().Add(time.Minute)
	for err = rdb.Set(t.Context(), "at", "second", 0).Err(); err != nil; err = rdb.Set(t.Context(), "at", "second", 0).Err() {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		if !retry.Retryable(err) {
			t.Fatalf("during a failover: %v, which nobody would try again", err)
		}
	}
	if got, err := second.Get("at"); err != nil || got != "second" {
		t.Errorf("the new master has %q, %v", got, err)
	}

	wrong := r
	wrong.Sentinel.PasswordFile = secretFile(t, "wrong-password")
	if err := ask(t, wrong); err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("with a wrong password for the sentinel: %v", err)
	}
}

func TestRedis_Validate(t *testing.T) {
	file := secretFile(t, "x")
	cases := map[string]struct {
		change func(*Redis)
		want   string
	}{
		"a server":                {func(r *Redis) { r.Addrs = []string{"a:1"} }, ""},
		"embedded":                {func(*Redis) {}, ""},
		"sentinels":               {func(r *Redis) { r.Sentinel = Sentinel{Addrs: []string{"a:1", "b:1"}, Master: "m"} }, ""},
		"no master":               {func(r *Redis) { r.Sentinel = Sentinel{Addrs: []string{"a:1"}} }, "config.sentinel.master"},
		"master without sentinel": {func(r *Redis) { r.Sentinel.Master = "m" }, "config.sentinel.addrs"},
		"sentinel without port":   {func(r *Redis) { r.Sentinel = Sentinel{Addrs: []string{"a"}, Master: "m"} }, "config.sentinel.addrs a: wants host:port"},
		"both":                    {func(r *Redis) { r.Addrs = []string{"a:1"}; r.Sentinel = Sentinel{Addrs: []string{"a:1"}, Master: "m"} }, "config.redis.addrs [a:1]: wants to be empty"},
		"cluster of sentinels":    {func(r *Redis) { r.Cluster = true; r.Sentinel = Sentinel{Addrs: []string{"a:1"}, Master: "m"} }, "config.cluster true"},
		"two passwords":           {func(r *Redis) { r.Addrs = []string{"a:1"}; r.Password = "s3cret"; r.PasswordFile = file }, "config.redis.password_file"},
		"user without password":   {func(r *Redis) { r.Addrs = []string{"a:1"}; r.Username = "u" }, "config.redis.username u"},
		"password for embedded":   {func(r *Redis) { r.Password = "s3cret" }, "config.redis.addrs []: wants the address of Redis"},
		"tls for embedded":        {func(r *Redis) { r.TLS.Enabled = true }, "config.redis.addrs []: wants the address of Redis"},
		"replicas":                {func(r *Redis) { r.Addrs = []string{"a:1"}; r.WaitReplicas = 1 }, ""},
		"fewer than no replica":   {func(r *Redis) { r.Addrs = []string{"a:1"}; r.WaitReplicas = -1 }, "config.wait_replicas -1"},
		"replicas of embedded":    {func(r *Redis) { r.WaitReplicas = 1 }, "config.wait_replicas 1"},
		"tls without":             {func(r *Redis) { r.Addrs = []string{"a:1"}; r.TLS.CAFile = "x" }, "link.tls.ca_file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := DefaultRedis()
			c.change(&r)
			err := r.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, r), "s3cret") {
				t.Errorf("the secret shows: %v %+v", err, r)
			}
		})
	}
}

// Complaints about links name the setting as a user writes it, and where it came from.
func TestLoad_faultsOfLinks(t *testing.T) {
	_, err := Load(Sources{Flags: map[string]string{
		"kafka-brokers": "a:1", "kafka-tls-enabled": "true", "kafka-tls-ca-file": "none.pem", "kafka-sasl-mechanism": "gssapi", "kafka-sasl-username": "u", "kafka-sasl-password": "s3cret",
		"redis-addrs": "a:1", "redis-password-file": "none", "redis-sentinel-master": "m", "redis-tls-min-version": "1.0",
	}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`kafka.tls.ca_file "none.pem": no such file or directory (flag --kafka-tls-ca-file)`,
		`kafka.sasl.mechanism "gssapi": want scram-sha-256, scram-sha-512, plain or nothing (flag --kafka-sasl-mechanism)`,
		`redis.password_file "none": no such file or directory (flag --redis-password-file)`,
		`redis.sentinel.addrs "": wants the address of a sentinel`,
		`redis.tls.min_version "1.0": want 1.2 or 1.3 (flag --redis-tls-min-version)`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %s in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the secret shows:\n%v", err)
	}
}

// Every setting that is a secret stays hidden, whichever layer gave it, right or wrong, in every form of the configuration.
func TestSecrets_ofAllSettings(t *testing.T) {
	keys, err := Keys(Default())
	if err != nil {
		t.Fatal(err)
	}
	const mark = "MARK"
	var secrets []Key
	src := Sources{Flags: map[string]string{"log-level": "loud"}} // a fault, so that faults are looked at, too
	for i, k := range keys {
		if looksSecret := strings.HasSuffix(k.Path, "password"); looksSecret != k.Secret {
			t.Errorf("%s: is a secret by its name: %t, by its type: %t", k.Path, looksSecret, k.Secret)
		}
		if !k.Secret {
			continue
		}
		secrets = append(secrets, k)
		if i%2 == 0 {
			src.Flags[k.Flag()] = mark + k.Flag()
		} else {
			src.Environ = append(src.Environ, k.Env()+"="+mark+k.Flag())
		}
	}
	if len(secrets) < 3 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	loaded, err := Load(src)
	if err == nil || loaded == nil {
		t.Fatal("want faults, and what could be read")
	}
	yaml, yamlErr := loaded.YAML()
	if yamlErr != nil {
		t.Fatal(yamlErr)
	}
	for name, text := range map[string]string{
		"faults": err.Error(), "config print": yaml, "effective": fmt.Sprint(loaded.Effective()), "printed": fmt.Sprintf("%v %+v %#v", loaded.Config, loaded.Config, loaded.Config),
	} {
		if strings.Contains(text, mark) {
			t.Errorf("%s show a secret:\n%s", name, text)
		}
	}
	if n := strings.Count(yaml, "***"); n != len(secrets) {
		t.Errorf("config print marks %d secrets, want %d:\n%s", n, len(secrets), yaml)
	}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
