package app

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/client"
)

// The Go client against everything in one process: what it sends comes back as the documents say.
func TestClient_theRoadOfAClick(t *testing.T) {
	url, stop := address(t, settings(t, nil))
	defer stop()
	road(t, url, false)
}

// road goes from an event to an answer by way of everything a client may ask for.
func road(t *testing.T, url string, attributed bool) {
	t.Helper()
	c, err := client.New(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, id := range []string{"a", "b", "c"} {
		if _, err := c.PutItem(ctx, schema.Item{ID: id, Title: "Thing " + id, Categories: []string{"things"}}); err != nil {
			t.Fatal(err)
		}
	}
	when := time.Now()
	taken, err := c.Send(ctx, schema.Event{UserID: "ann/go", ItemID: "a", Type: "view", Timestamp: when.Add(-time.Minute)},
		schema.Event{UserID: "ann/go", ItemID: "b", Type: "purchase", Timestamp: when, Value: 2})
	if err != nil || taken.Accepted != 2 {
		t.Fatal(taken, err)
	}
	eventually(t, func() error {
		w, err := c.User(ctx, "ann/go")
		if err == nil && len(w.Entries) != 2 {
			err = errors.New("the window does not hold both")
		}
		return err
	})
	eventually(t, func() error {
		a, err := c.Recommend(ctx, "ann/go", client.Want{N: 3, FilterSeen: true, Categories: []string{"things"}, Explain: true})
		if err == nil && (len(a.Items) != 1 || a.Items[0].ID != "c" || a.RecommendationID == "") {
			err = errors.New("the answer does not hold c alone")
		}
		return err
	})
	if _, err := c.PatchItem(ctx, "c", map[string]any{"title": "Other"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		it, err := c.Item(ctx, "c")
		if err == nil && it.Title != "Other" {
			err = errors.New("the title is the old one")
		}
		return err
	})
	if _, total, err := c.Items(ctx, "thing", 10); err != nil || total != 2 {
		t.Errorf("%d items by title: %v", total, err)
	}
	for name, ask := range map[string]func() (schema.Answer, error){
		"similar": func() (schema.Answer, error) { return c.Similar(ctx, "a", client.Want{N: 1}) },
		"popular": func() (schema.Answer, error) { return c.Popular(ctx, client.Want{N: 1}) },
		"session": func() (schema.Answer, error) {
			return c.Session(ctx, []string{"a"}, client.Want{N: 1, Exclude: []string{"b"}})
		},
	} {
		if a, err := ask(); err != nil || len(a.Items) > 1 {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
	report, err := c.Attribution(ctx)
	if err != nil || len(report.Experiment) != 0 || report.Enabled != attributed {
		t.Errorf("attribution %+v: %v", report, err)
	}
	if letters, err := c.DeadLetters(ctx, 1); err != nil || len(letters) > 1 {
		t.Errorf("letters %+v: %v", letters, err)
	}
	var refused *client.Error
	if _, err := c.Rollback(ctx, "no such version"); !errors.As(err, &refused) || refused.Status != 409 {
		t.Errorf("rollback from a version that is not live: %v", err)
	}
	if _, err := c.ReplayDeadLetter(ctx, 0, 1<<40); !errors.As(err, &refused) || refused.Status != 404 {
		t.Errorf("replay of nothing: %v", err)
	}
	if _, err := c.WithdrawItem(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ForgetUser(ctx, "ann/go"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		w, err := c.User(ctx, "ann/go")
		if err == nil && len(w.Entries) != 0 {
			err = errors.New("the user is still known")
		}
		return err
	})
	_, err = c.Send(ctx, schema.Event{ItemID: "a", Timestamp: when})
	var answer *client.Error
	if !errors.As(err, &answer) || answer.Status != 422 || len(answer.Faults) == 0 {
		t.Errorf("an event without a user: %v", err)
	}
}

// The Python client's own tests, against everything in one process.
func TestClient_python(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not there: the Python client is not tested")
	}
	url, stop := address(t, settings(t, nil))
	defer stop()
	folder, err := filepath.Abs("../../../serve/client/python")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-m", "unittest", "discover", "-s", "tests")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "SOFTREC_URL="+url, "PYTHONPATH="+folder, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
