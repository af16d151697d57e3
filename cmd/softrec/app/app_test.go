package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/probe"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/client"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// settings loads a quick configuration on free ports; more overrides it.
func settings(t *testing.T, more map[string]string) *config.Loaded {
	t.Helper()
	preset := map[string]string{
		"serve.listen": "127.0.0.1:0", "serve.admin_listen": "127.0.0.1:0",
		"trainer.learner": "counts", "trainer.bootstrap_events": "2",
	}
	for k, v := range more {
		preset[k] = v
	}
	loaded, err := config.Load(config.Sources{Preset: preset})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// address opens an app with every role, runs it until stop is called and returns where it answers.
func address(t *testing.T, loaded *config.Loaded) (url string, stop func()) {
	t.Helper()
	a, err := Open(t.Context(), loaded, slog.New(slog.DiscardHandler), "test", AllRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	return serving(t, a)
}

// serving runs an app that serves until stop is called and returns where it answers.
func serving(t *testing.T, a *App) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = func() {
		t.Helper()
		cancel()
		if err := errors.Join(<-done, a.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	url, err := a.URL()
	if err != nil {
		stop()
		t.Fatal(err)
	}
	return url, stop
}

// clientOf opens every role with values for settings and runs them, with a client of the address. Call stop.
func clientOf(t *testing.T, values map[string]string) (a *App, url string, c *client.Client, stop func()) {
	t.Helper()
	a, err := Open(t.Context(), settings(t, values), slog.New(slog.DiscardHandler), "test", AllRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	url, stop = serving(t, a)
	if c, err = client.New(url); err != nil {
		stop()
		t.Fatal(err)
	}
	return a, url, c, stop
}

// running is address with a client of it.
func running(t *testing.T, loaded *config.Loaded) (*probe.Client, func()) {
	t.Helper()
	return runningOn(t, Stage{}, loaded)
}

// runningOn is running on a stage.
func runningOn(t *testing.T, stage Stage, loaded *config.Loaded) (*probe.Client, func()) {
	t.Helper()
	a, err := OpenOn(t.Context(), stage, loaded, slog.New(slog.DiscardHandler), "test", AllRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	url, stop := serving(t, a)
	transport := &http.Transport{}
	client, err := probe.NewClient(url, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return client, func() {
		t.Helper()
		stop()
		transport.CloseIdleConnections()
	}
}

// eventually waits for a condition and reports the last reason why it did not hold.
func eventually(t *testing.T, holds func() error) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-tick.C
	}
}

func clickAll(t *testing.T, client *probe.Client, user string, items ...string) {
	t.Helper()
	for i, item := range items {
		e := schema.Event{EventID: user + item, UserID: user, ItemID: item, Type: "view", Timestamp: time.Now().Add(time.Duration(i) * time.Millisecond)}
		if err := client.Send(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func windowHolds(t *testing.T, client *probe.Client, user string, n int) func() error {
	return func() error {
		w, err := client.Window(t.Context(), user)
		if err == nil && len(w.Entries) != n {
			err = errors.New("the window does not hold what was sent")
		}
		return err
	}
}

func TestApp_aClickChangesTheAnswer(t *testing.T) {
	client, stop := running(t, settings(t, nil))
	defer stop()
	before, err := client.Recommend(t.Context(), "anna", 3)
	if err != nil {
		t.Fatal(err)
	}
	clickAll(t, client, "anna", "teapot", "lantern", "mug")
	clickAll(t, client, "ben", "teapot", "lantern", "clock")
	eventually(t, windowHolds(t, client, "anna", 3))
	eventually(t, func() error {
		after, err := client.Recommend(t.Context(), "anna", 3)
		if err != nil {
			return err
		}
		if after.WindowOffset == before.WindowOffset || after.ModelVersion == "" || len(after.Items) == 0 {
			return errors.New("the answer does not know of the clicks, or no model is live")
		}
		return nil
	})
}

// Titles go from the API through Kafka and Redis into the trainer's models.
func TestApp_modelsKnowTitles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	client, stop := running(t, settings(t, map[string]string{"data_dir": folder, "trainer.round_events": "240", "trainer.round_min_events": "240"}))
	defer stop()
	const items = 40
	for i := range items {
		if err := client.PutItem(t.Context(), schema.Item{ID: fmt.Sprint("i", i), Title: fmt.Sprintf("shape%d colour%d", i%5, i%8)}); err != nil {
			t.Fatal(err)
		}
	}
	user := 0
	eventually(t, func() error {
		user++
		next := func(k int) string { return fmt.Sprint("i", (user*7+k*user)%items) }
		clickAll(t, client, fmt.Sprint("user", user), next(0), next(1), next(2), next(3)) // until a round has begun after the titles came
		found, err := filepath.Glob(filepath.Join(folder, "models", "*", ranker.FileWords))
		if err == nil && len(found) == 0 {
			err = errors.New("no model has the words of titles")
		}
		return err
	})
}

func TestApp_dataFolderSurvivesARestart(t *testing.T) {
	loaded := settings(t, map[string]string{"data_dir": filepath.Join(t.TempDir(), "data")})
	client, stop := running(t, loaded)
	clickAll(t, client, "anna", "teapot", "lantern", "mug", "clock", "bunting")
	eventually(t, windowHolds(t, client, "anna", 5))
	stop()
	client, stop = running(t, loaded)
	defer stop()
	if err := windowHolds(t, client, "anna", 5)(); err != nil {
		t.Error(err)
	}
	clickAll(t, client, "anna", "cushion")
	eventually(t, windowHolds(t, client, "anna", 6))
}

func TestOpen_oneRoleNeedsServersOthersReach(t *testing.T) {
	for _, role := range AllRoles() {
		a, err := Open(t.Context(), settings(t, nil), slog.New(slog.DiscardHandler), "test", role)
		if err == nil {
			t.Errorf("%s runs by itself on embedded servers", role)
			_ = a.Close()
			continue
		}
		for _, want := range []string{"kafka.brokers", "redis.addrs"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not name %s", role, err, want)
			}
		}
	}
}

// A process that starts while Kafka is away answers, says what it waits for, and ends when it is told to.
func TestApp_startsWithoutKafka(t *testing.T) {
	m := miniredis.RunT(t)
	loaded := settings(t, map[string]string{"kafka.brokers": "127.0.0.1:1", "redis.addrs": m.Addr(), "data_dir": t.TempDir()})
	client, stop := running(t, loaded)
	defer stop()
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := client.Recommend(t.Context(), "nobody", 3)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer while Kafka is away: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Windows in memory behind offsets that a real Kafka keeps would be lost at the first restart.
func TestOpen_embeddedServersComeInPairs(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"kafka.brokers", "127.0.0.1:1", `kafka.brokers ["127.0.0.1:1"] are given but redis.addrs is empty`},
		{"redis.addrs", "127.0.0.1:1", `redis.addrs "127.0.0.1:1" are given but kafka.brokers is empty`},
	} {
		_, err := Open(t.Context(), settings(t, map[string]string{c.key: c.value}), slog.New(slog.DiscardHandler), "test", AllRoles()...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.key, err, c.want)
		}
	}
}

func TestOpen_faultsCloseWhatWasOpened(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := filepath.Join(t.TempDir(), "data")
	loaded := settings(t, map[string]string{"serve.listen": taken.Addr().String(), "data_dir": dir})
	if _, err := Open(t.Context(), loaded, slog.New(slog.DiscardHandler), "test", AllRoles()...); err == nil || !strings.Contains(err.Error(), "serve.listen") {
		t.Fatalf("a taken port gave %v", err)
	}
	_, stop := running(t, settings(t, map[string]string{"data_dir": dir})) // the folder is free again
	stop()
}

func TestOpenModels(t *testing.T) {
	cfg := settings(t, nil).Config
	if _, err := OpenModels(cfg, nil); err == nil {
		t.Error("no folder is accepted")
	}
	cfg.Models.Dir = t.TempDir()
	if _, err := OpenModels(cfg, nil); err == nil {
		t.Error("no Redis is accepted")
	}
	cfg.Models.Dir, cfg.DataDir = "", filepath.Join(t.TempDir(), "typo")
	if _, err := OpenModels(cfg, nil); err == nil || !strings.Contains(err.Error(), "typo") {
		t.Errorf("a folder that is not there gave %v", err)
	}
	if _, err := os.Stat(cfg.DataDir); err == nil {
		t.Error("looking for models made their folder")
	}
}

// A deletion ends with a receipt that every part has signed, and nothing of the user is left where it can be asked for.
func TestApp_aDeletionEndsWithAReceipt(t *testing.T) {
	a, err := Open(t.Context(), settings(t, map[string]string{"data_dir": t.TempDir(), "serve.catalogue_poll": "50ms"}), slog.New(slog.DiscardHandler), "test", AllRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	url, stop := serving(t, a)
	defer stop()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := probe.NewClient(url, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	clickAll(t, client, "anna", "teapot", "lantern", "mug")
	clickAll(t, client, "ben", "teapot", "clock")
	eventually(t, windowHolds(t, client, "anna", 3))
	eventually(t, windowHolds(t, client, "ben", 2))
	if _, err := client.Recommend(t.Context(), "anna", 3); err != nil {
		t.Fatal(err)
	}
	if err := client.Forget(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	var d schema.Deletion
	eventually(t, func() error {
		if d, err = client.Deletion(t.Context(), "anna"); err == nil && !d.Complete {
			err = fmt.Errorf("the receipt is not complete: %+v", d)
		}
		return err
	})
	if d.ID == "" || d.By != schema.DeletionByAPI || d.UserID != "anna" || d.Requested.IsZero() {
		t.Errorf("receipt %+v", d)
	}
	eventually(t, windowHolds(t, client, "anna", 0))
	eventually(t, windowHolds(t, client, "ben", 2))
	recent, err := a.Redis().LRange(t.Context(), a.Keys().RecentEvents(), 0, -1).Result()
	if err != nil || strings.Contains(strings.Join(recent, " "), "anna") {
		t.Errorf("newest events %v, %v", recent, err)
	}
	// A record without a value that somebody else writes is a deletion, too.
	if err := a.Producer().Publish(t.Context(), schema.TopicInteractions, broker.Record{Key: []byte("ben")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if d, err = client.Deletion(t.Context(), "ben"); err == nil && !d.Complete {
			err = fmt.Errorf("the receipt is not complete: %+v", d)
		}
		return err
	})
	if d.By != schema.DeletionByTombstone || !strings.HasPrefix(d.ID, "record-") {
		t.Errorf("receipt %+v", d)
	}
}
