package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/client"
)

// secrets is what .ci/servers.sh laid out for its servers with TLS and logins.
type secrets string

func (s secrets) file(name string) string { return filepath.Join(string(s), name) }

// text is the content of a file, without the line break.
func (s secrets) text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(s.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func securedServers(t *testing.T) secrets {
	t.Helper()
	dir := os.Getenv("TEST_SECURED")
	if dir == "" {
		t.Skip("TEST_SECURED names no folder: .ci/servers.sh with starts servers with TLS and logins")
	}
	return secrets(dir)
}

// keys are the settings that get in, by their keys in a file.
func (s secrets) keys(t *testing.T, mechanism string) map[string]string {
	t.Helper()
	m := map[string]string{
		"kafka.brokers": s.text(t, "kafka"), "kafka.sasl.mechanism": mechanism, "kafka.sasl.username": s.text(t, "user"), "kafka.sasl.password_file": s.file("password"),
		"redis.addrs": s.text(t, "redis"), "redis.username": s.text(t, "user"), "redis.password_file": s.file("password"),
	}
	for _, link := range []string{"kafka", "redis"} {
		m[link+".tls.enabled"] = "true"
		m[link+".tls.ca_file"], m[link+".tls.cert_file"], m[link+".tls.key_file"] = s.file("ca.pem"), s.file("client.pem"), s.file("client.key")
	}
	return m
}

// The whole road on real servers, reached as a deployment's configuration reaches them: plain ones (TEST_KAFKA and TEST_REDIS; two
// brokers and a Redis Cluster from .ci/servers.sh with-several), with TLS and logins, and behind sentinels.
func TestApp_onRealServers(t *testing.T) {
	t.Run("by address", func(t *testing.T) {
		kafka, redis := os.Getenv("TEST_KAFKA"), os.Getenv("TEST_REDIS")
		if kafka == "" || redis == "" {
			t.Skip("TEST_KAFKA and TEST_REDIS name no servers")
		}
		wholeRoad(t, map[string]string{"kafka.brokers": kafka, "redis.addrs": redis})
	})
	t.Run("commits wait for the AOF", func(t *testing.T) {
		kafka, valkey := os.Getenv("TEST_KAFKA"), os.Getenv("TEST_VALKEY")
		if kafka == "" || valkey == "" {
			t.Skip("TEST_KAFKA and TEST_VALKEY name no servers")
		}
		wholeRoad(t, map[string]string{"kafka.brokers": kafka, "redis.addrs": valkey, "ingest.durability": "waitaof"})
	})
	t.Run("with TLS and logins", func(t *testing.T) {
		wholeRoad(t, securedServers(t).keys(t, "scram-sha-512"))
	})
	t.Run("behind sentinels", func(t *testing.T) {
		kafka, sentinels := os.Getenv("TEST_KAFKA"), os.Getenv("TEST_SENTINELS")
		if kafka == "" || sentinels == "" {
			t.Skip("TEST_KAFKA and TEST_SENTINELS name no servers")
		}
		wholeRoad(t, map[string]string{"kafka.brokers": kafka, "redis.sentinel.addrs": sentinels, "redis.sentinel.master": "recommendations", "redis.wait_replicas": "1"})
	})
}

// wholeRoad runs all roles on the servers that links name, sends events of many users, asks for their answers, and looks into the log
// for what servers and settings must not say.
func wholeRoad(t *testing.T, links map[string]string) {
	unique := fmt.Sprintf("softrec:test%d", time.Now().UnixNano())
	topic := links["ingest.topic"]
	if topic == "" {
		topic = strings.ReplaceAll(unique, ":", ".")
	}
	links["redis.prefix"], links["data_dir"] = unique, t.TempDir()
	links["ingest.topic"], links["ingest.items_topic"], links["ingest.dead_letter_topic"], links["ingest.group"] = topic, topic+".items", topic+".dead", topic
	loaded := settings(t, links)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // a log that could not be written shows below
	a, err := Open(t.Context(), loaded, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), "test", AllRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	url, stop := serving(t, a)
	defer func() {
		stop()
		written, err := os.ReadFile(log.Name())
		if err != nil || len(written) == 0 {
			t.Errorf("the log holds %d bytes: %v", len(written), err)
		}
		said := string(written)
		for _, not := range []string{"CROSSSLOT", "NOPERM", "ACL for it is missing", "uthorization", "level=ERROR"} {
			for line := range strings.Lines(said) {
				if strings.Contains(line, not) {
					t.Errorf("the log says %s", line)
				}
			}
		}
		if file := links["redis.password_file"]; file != "" && strings.Contains(said, secrets(filepath.Dir(file)).text(t, "password")) {
			t.Error("the log shows the password")
		}
	}()
	c, err := client.New(url)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the API takes events", func() error {
		_, err := c.Send(t.Context(), schema.Event{UserID: "first", ItemID: "a", Timestamp: time.Now()})
		return err
	})
	road(t, url, links["attribution.enabled"] == "true")
	const users, items = 60, 20
	for i := range items {
		if _, err := c.PutItem(t.Context(), schema.Item{ID: fmt.Sprint("i", i), Title: fmt.Sprint("Thing ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for u := range users {
		var events []schema.Event
		for i := range 4 {
			events = append(events, schema.Event{UserID: fmt.Sprint("user", u), ItemID: fmt.Sprint("i", (u+i)%items), Timestamp: time.Now().Add(time.Duration(i-4) * time.Second)})
		}
		if taken, err := c.Send(t.Context(), events...); err != nil || taken.Accepted != 4 {
			t.Fatal(taken, err)
		}
	}
	for u := range users {
		await(t, "window and answer", func() error {
			user := fmt.Sprint("user", u)
			w, err := c.User(t.Context(), user)
			if err == nil && len(w.Entries) != 4 {
				err = fmt.Errorf("window of %s holds %d events, want 4", user, len(w.Entries))
			}
			if err != nil {
				return err
			}
			answer, err := c.Recommend(t.Context(), user, client.Want{N: 3})
			if err == nil && (len(answer.Items) != 3 || len(answer.Degraded) > 0) {
				err = fmt.Errorf("answer of %s: %+v", user, answer)
			}
			return err
		})
	}
	if _, err := c.WithdrawItem(t.Context(), "i0"); err != nil {
		t.Error(err)
	}
	await(t, "a model is live", func() error {
		answer, err := c.Recommend(t.Context(), "user1", client.Want{N: 1})
		if err == nil && answer.ModelVersion == "" {
			err = errors.New("no model")
		}
		return err
	})
	for _, path := range []string{"/v1/stats", "/v1/models", "/v1/rounds", "/readyz"} {
		status(t, url+path)
	}
	spread(t, loaded.Config.Redis)
}

// status demands an answer that is no fault of the server.
func status(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode >= 500 {
		t.Errorf("%s: %s: %s", url, resp.Status, body)
	}
}

// spread demands that in a cluster several nodes have windows.
func spread(t *testing.T, r config.Redis) {
	t.Helper()
	rdb, err := r.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return
	}
	var mu sync.Mutex
	nodes := 0
	err = cluster.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
		found := 0
		for it := node.Scan(ctx, 0, r.Keys().UserScan(), 1000).Iterator(); it.Next(ctx); {
			found++
		}
		mu.Lock()
		defer mu.Unlock()
		t.Logf("%d windows on %s", found, node.Options().Addr)
		if found > 0 {
			nodes++
		}
		return nil
	})
	if err != nil || nodes < 3 {
		t.Errorf("%d nodes have windows (%v), want 3", nodes, err)
	}
}

// await is eventually with the patience that real servers need on a busy machine.
func await(t *testing.T, what string, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for err := holds(); err != nil; err = holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Each mechanism of a real broker opens the link from the keys of the configuration; records go there and back.
func TestLinks_everyMechanism(t *testing.T) {
	s := securedServers(t)
	for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			cfg := settings(t, s.keys(t, mechanism)).Config
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := Wait(ctx, cfg); err != nil {
				t.Fatal(err)
			}
			topic := fmt.Sprintf("links-%s-%d", mechanism, time.Now().UnixNano())
			if err := broker.EnsureTopics(ctx, cfg.Kafka, broker.TopicSpec{Name: topic, Partitions: 1}); err != nil {
				t.Fatal(err)
			}
			p, err := broker.NewProducer(cfg.Kafka)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if err := p.Publish(ctx, topic, broker.Record{Key: []byte("k"), Value: []byte(mechanism)}); err != nil {
				t.Fatal(err)
			}
			src, err := broker.NewGroupSource(cfg.Kafka, topic, topic)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			recs, err := src.Fetch(ctx, 1, time.Millisecond)
			if err != nil || len(recs) != 1 || string(recs[0].Value) != mechanism {
				t.Fatalf("read %v, %v", recs, err)
			}
			if err := src.Commit(ctx, recs); err != nil {
				t.Error(err)
			}
		})
	}
}

// What real servers answer to wrong settings becomes an error that names the setting and shows no secret.
func TestLinks_refusals(t *testing.T) {
	s := securedServers(t)
	const wrong = "not-the-password"
	wrongFile := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(wrongFile, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		mechanism string
		change    map[string]string
		want      string
	}{
		{"kafka: wrong password, scram-sha-512", "scram-sha-512", map[string]string{"kafka.sasl.password_file": wrongFile}, `refused the login of user "softrec": check kafka.sasl.username`},
		{"kafka: wrong password, scram-sha-256", "scram-sha-256", map[string]string{"kafka.sasl.password_file": wrongFile}, `refused the login of user "softrec": check kafka.sasl.username`},
		{"kafka: wrong password, plain", "plain", map[string]string{"kafka.sasl.password_file": wrongFile}, `refused the login of user "softrec": check kafka.sasl.username`},
		{"kafka: no such user", "scram-sha-512", map[string]string{"kafka.sasl.username": "nobody"}, `refused the login of user "nobody"`},
		{"kafka: unknown authority", "scram-sha-512", map[string]string{"kafka.tls.ca_file": s.file("client.pem")}, "no authority in kafka.tls.ca_file has signed"},
		{"kafka: another name", "scram-sha-512", map[string]string{"kafka.tls.server_name": "kafka.example"}, `not for "kafka.example"`},
		{"kafka: no certificate", "scram-sha-512", map[string]string{"kafka.tls.cert_file": "", "kafka.tls.key_file": ""}, "kafka.tls.cert_file"},
		{"redis: wrong password", "plain", map[string]string{"redis.password_file": wrongFile}, `Redis refused the login of user "softrec": check redis.username`},
		{"redis: no such user", "plain", map[string]string{"redis.username": "nobody"}, `Redis refused the login of user "nobody"`},
		{"redis: no login", "plain", map[string]string{"redis.username": "", "redis.password_file": ""}, "Redis wants a login: set redis.password_file"},
		{"redis: unknown authority", "plain", map[string]string{"redis.tls.ca_file": s.file("client.pem")}, "no authority in redis.tls.ca_file has signed"},
		{"redis: another name", "plain", map[string]string{"redis.tls.server_name": "redis.example"}, `not for "redis.example"`},
		{"redis: no certificate", "plain", map[string]string{"redis.tls.cert_file": "", "redis.tls.key_file": ""}, "redis.tls.cert_file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys := s.keys(t, c.mechanism)
			for k, v := range c.change {
				keys[k] = v
			}
			other := "kafka"
			if strings.HasPrefix(c.name, "kafka") {
				other = "redis"
			}
			for k := range keys { // only the link in question
				if strings.HasPrefix(k, other+".") {
					delete(keys, k)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			err := Wait(ctx, settings(t, keys).Config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if ctx.Err() != nil {
				t.Errorf("told only after %s, as if waiting would help", time.Since(began))
			}
			for _, secret := range []string{wrong, s.text(t, "password")} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the password shows: %v", err)
				}
			}
		})
	}
}
