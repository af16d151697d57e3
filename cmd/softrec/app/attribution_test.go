package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/serve/client"
)

// report asks for what became of the answers.
func report(t *testing.T, url string) (r serve.AttributionReport, err error) {
	t.Helper()
	res, err := http.Get(url + "/v1/attribution")
	if err != nil {
		return r, err
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	return r, json.NewDecoder(res.Body).Decode(&r)
}

// Everything in one process: two arms, users ask and click with the recommendation id, and the clicks are found again by arm, model
// version and source. Users keep their arm over a restart, and so do the totals.
func TestApp_clicksAreAttributedToArms(t *testing.T) {
	arms := filepath.Join(t.TempDir(), "arms.json")
	if err := os.WriteFile(arms, []byte(`{"salt":"e2e","arms":[{"name":"a","share":0.5},{"name":"counts","share":0.5,"ranking":"counts"}],"shadows":[{"name":"pop","share":1,"ranking":"popular"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := settings(t, map[string]string{"serve.arms": arms, "attribution.enabled": "true", "data_dir": t.TempDir()})
	url, stop := address(t, cfg)
	c, err := client.New(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	items := []string{"teapot", "lantern", "mug", "clock", "bag"}
	for _, id := range items {
		if _, err := c.PutItem(ctx, schema.Item{ID: id, Title: "Thing " + id}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		if _, err := c.Send(ctx, schema.Event{UserID: fmt.Sprint("first", i%3), ItemID: items[i%5], Type: "view", Timestamp: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() error {
		a, err := c.Recommend(ctx, "first0", client.Want{N: 3})
		if err == nil && a.ModelVersion == "" {
			err = fmt.Errorf("no model yet")
		}
		return err
	})
	asked := func(r serve.AttributionReport) (answers, clicked, scored map[string]int64) {
		answers, clicked, scored = map[string]int64{}, map[string]int64{}, map[string]int64{}
		for _, a := range r.Arms {
			answers[a.Arm] += a.Answers
			clicked[a.Arm] += a.Clicked
			scored[a.Arm] += a.Scored
		}
		return answers, clicked, scored
	}
	arm, given := map[string]string{}, map[string]schema.Answer{}
	want := map[string]int64{}
	const users = 24
	for i := range users {
		user := fmt.Sprint("user", i)
		a, err := c.Recommend(ctx, user, client.Want{N: 4})
		if err != nil || a.Arm == "" || len(a.Items) == 0 {
			t.Fatalf("%+v %v", a, err)
		}
		arm[user], given[user] = a.Arm, a
	}
	eventually(t, func() error {
		r, err := report(t, url)
		if answers, _, _ := asked(r); err == nil && answers["a"]+answers["counts"] < users {
			err = fmt.Errorf("%v answers are counted", answers)
		}
		return err
	})
	for i := range users {
		if user := fmt.Sprint("user", i); i%2 == 0 {
			a := given[user]
			want[a.Arm]++
			if _, err := c.Send(ctx, schema.Event{UserID: user, ItemID: a.Items[0].ID, Type: "view", Timestamp: time.Now(), RecommendationID: a.RecommendationID}); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(url string) func() error {
		return func() error {
			r, err := report(t, url)
			if err != nil {
				return err
			}
			answers, clicked, scored := asked(r)
			// Those that were asked for until the first model was there belong to one user, who clicked nothing.
			if n := answers["a"] + answers["counts"]; n < users || clicked["a"] != want["a"] || clicked["counts"] != want["counts"] || scored["a"]+scored["counts"] != users/2 || scored["pop"] == 0 || scored["pop"] > users/2 {
				return fmt.Errorf("%d answers, clicked %v, want %v; lists scored %v", n, clicked, want, scored)
			}
			for _, a := range r.Arms {
				if a.Clicked > a.Answers || a.Clicked > 0 && (a.ModelVersion == "" || a.CTR.Rate <= 0 || a.CTR.High <= a.CTR.Rate) {
					return fmt.Errorf("%+v", a)
				}
			}
			sum := int64(0)
			for _, s := range r.Sources {
				sum += s.Clicked
			}
			if sum != users/2 {
				return fmt.Errorf("%d clicks by source", sum)
			}
			return nil
		}
	}
	eventually(t, check(url))
	if want["a"] == 0 || want["counts"] == 0 {
		t.Errorf("clicks by arm %v: one arm has nobody", want)
	}
	stop()
	url, stop = address(t, cfg)
	defer stop()
	eventually(t, check(url))
	if c, err = client.New(url); err != nil {
		t.Fatal(err)
	}
	for user, was := range arm {
		if a, err := c.Recommend(ctx, user, client.Want{N: 1}); err != nil || a.Arm != was {
			t.Errorf("%s had arm %s and has %s, %v", user, was, a.Arm, err)
		}
	}
}

func TestOpen_impressionsAndRoundsNeedTopicsOfTheirOwn(t *testing.T) {
	for want, set := range map[string]map[string]string{
		`attribution.topic "softrec.items"`:         {"attribution.enabled": "true", "attribution.topic": schema.TopicItems},
		`attribution.topic "shop.rounds"`:           {"attribution.enabled": "true", "attribution.topic": "shop.rounds", "trainer.rounds_topic": "shop.rounds"},
		`trainer.rounds_topic "softrec.deadletter"`: {"trainer.rounds_topic": schema.TopicDeadLetter},
	} {
		_, err := Open(t.Context(), settings(t, set), slog.New(slog.DiscardHandler), "test", AllRoles()...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// By default there is no topic of impressions, nobody reads or writes it, and arms still split the users.
func TestApp_attributionIsOffByDefault(t *testing.T) {
	arms := filepath.Join(t.TempDir(), "arms.json")
	if err := os.WriteFile(arms, []byte(`{"salt":"e2e","arms":[{"name":"a","share":1}],"shadows":[{"name":"pop","share":1,"ranking":"popular"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a, url, c, stop := clientOf(t, map[string]string{"serve.arms": arms, "attribution.topic": schema.TopicItems})
	defer stop()
	if _, err := c.PutItem(t.Context(), schema.Item{ID: "mug", Title: "Mug"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		got, err := c.Recommend(t.Context(), "u", client.Want{N: 1})
		if err == nil && (got.Arm != "a" || len(got.Items) != 1) {
			err = fmt.Errorf("%+v", got)
		}
		return err
	})
	if r, err := report(t, url); err != nil || r.Enabled || len(r.Experiment) == 0 {
		t.Errorf("%+v %v", r, err)
	}
	for _, name := range []string{"softrec_serve_impressions_total", "softrec_serve_shadow_lists_total", "softrec_attribution_records_total"} {
		if n, err := testutil.GatherAndCount(a.metrics, name); err != nil || n != 0 {
			t.Errorf("%d rows of %s, %v", n, name, err)
		}
	}
}

// Redis is gone for good and another one, empty, stands in its place, while Kafka has the commits of both groups: what became of the answers is
// counted again from the topics, though windows and catalogue may be there before.
func TestApp_attributionOnAnEmptyRedis(t *testing.T) {
	kafka, err := embedded.Start(embedded.Config{}) // and the first Redis
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	other, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	over := func(redis string) map[string]string {
		return map[string]string{"attribution.enabled": "true", "kafka.brokers": strings.Join(kafka.Brokers(), ","), "redis.addrs": redis}
	}
	_, url, c, stop := clientOf(t, over(kafka.RedisAddr()))
	ctx := t.Context()
	if _, err := c.PutItem(ctx, schema.Item{ID: "mug", Title: "Mug"}); err != nil {
		t.Fatal(err)
	}
	const users = 12
	counted := func(url string) func() error {
		return func() error {
			r, err := report(t, url)
			if err != nil {
				return err
			}
			answers, clicked := int64(0), int64(0)
			for _, a := range r.Arms {
				answers, clicked = answers+a.Answers, clicked+a.Clicked
			}
			if answers != users || clicked != users/2 {
				return fmt.Errorf("%d answers, %d clicked, want %d and %d", answers, clicked, users, users/2)
			}
			return nil
		}
	}
	for i := range users {
		user := fmt.Sprint("user", i)
		var a schema.Answer
		eventually(t, func() error {
			got, err := c.Recommend(ctx, user, client.Want{N: 1, More: neturl.Values{"log": {"false"}}})
			if err == nil && len(got.Items) == 0 {
				err = fmt.Errorf("no items yet")
			}
			return err
		})
		if a, err = c.Recommend(ctx, user, client.Want{N: 1}); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := c.Send(ctx, schema.Event{UserID: user, ItemID: "mug", Type: "view", Timestamp: time.Now(), RecommendationID: a.RecommendationID}); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, counted(url))
	stop()
	_, url, _, stop = clientOf(t, over(other.RedisAddr()))
	defer stop()
	eventually(t, counted(url))
}
