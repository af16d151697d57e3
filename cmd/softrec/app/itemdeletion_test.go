package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/client"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/snapshot"
)

// An item's withdrawal ends with a receipt that every part has signed. No answer and no window that is read holds the item any more, and
// no model that is made from then on has counted or learnt it, though clicks on it go on. Put again it is learnt from new clicks alone.
func TestApp_anItemsDeletionEndsWithAReceipt(t *testing.T) {
	a, _, c, stop := clientOf(t, map[string]string{
		"data_dir": t.TempDir(), "serve.catalogue_poll": "50ms", "trainer.round_events": "40", "trainer.round_min_events": "40", "trainer.gate_minimum": "1", "trainer.gate_users": "2", "trainer.gate_margin": "1",
	})
	defer stop()
	shop := itemShop{t: t, app: a, client: c}
	for _, id := range []string{"teapot", "mug", "lantern", "clock"} {
		if _, err := c.PutItem(t.Context(), schema.Item{ID: id, Title: "The " + id}); err != nil {
			t.Fatal(err)
		}
	}
	shop.click(12, "teapot", "lantern", "mug", "clock")
	shop.windows("teapot", true)
	if b := shop.model(1); seenIn(b, "teapot") < 10 || !shop.answers("teapot") {
		t.Fatalf("the test proves nothing: the model has counted %d clicks on the item", seenIn(b, "teapot"))
	}

	if gone, err := c.WithdrawItem(t.Context(), "teapot"); err != nil || !gone {
		t.Fatal(gone, err)
	}
	shop.windows("teapot", false)
	if shop.answers("teapot") {
		t.Error("the item is answered right after its withdrawal")
	}
	d := shop.receipt("teapot")
	if d.ItemID != "teapot" || d.UserID != "" || d.By != schema.DeletionByAPI || d.Kept[schema.PartWindow] == "" || d.Parts[schema.PartCatalogue].IsZero() {
		t.Errorf("receipt %+v", d)
	}
	shop.click(12, "teapot", "lantern", "mug", "clock", "clock") // somebody has an old page
	b := shop.model(shop.round + 1)
	if n := seenIn(b, "teapot"); n > 0 || seenIn(b, "mug") < 20 {
		t.Errorf("the model after it has counted %d clicks on the item, %d on another", n, seenIn(b, "mug"))
	}
	shop.windows("teapot", false)
	if shop.answers("teapot") {
		t.Error("the item is answered after another round")
	}

	if visible, err := c.PutItem(t.Context(), schema.Item{ID: "teapot", Title: "Another teapot"}); err != nil || !visible {
		t.Fatal(visible, err)
	}
	shop.windows("teapot", false) // it is new to everybody
	shop.click(10, "mug", "teapot", "lantern", "clock")
	shop.windows("teapot", true)
	b = shop.model(shop.round + 1)
	if n := seenIn(b, "teapot"); n < 1 || n > 10 {
		t.Errorf("put again the item was counted %d times, 10 times it was clicked", n)
	}
	if !shop.answers("teapot") {
		t.Error("put again and clicked the item is not answered")
	}

	// A record without a value that somebody else writes is a deletion, too.
	if err := a.Producer().Publish(t.Context(), schema.TopicItems, broker.Record{Key: []byte("mug")}); err != nil {
		t.Fatal(err)
	}
	if d := shop.receipt("mug"); d.By != schema.DeletionByTombstone || !strings.HasPrefix(d.ID, "item-record-") {
		t.Errorf("receipt %+v", d)
	}
}

// With attribution on a user's receipt waits for it, and what the user was shown is gone from Redis then.
func TestApp_aDeletionTakesImpressions(t *testing.T) {
	a, _, c, stop := clientOf(t, map[string]string{"data_dir": t.TempDir(), "serve.catalogue_poll": "50ms", "attribution.enabled": "true"})
	defer stop()
	if _, err := c.PutItem(t.Context(), schema.Item{ID: "mug", Title: "Mug"}); err != nil {
		t.Fatal(err)
	}
	named := func() (n int) {
		t.Helper()
		all, err := a.Redis().Keys(t.Context(), a.Keys().Prefix+":{attr*:last:anna-of-the-test").Result()
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	eventually(t, func() error {
		if _, err := c.Recommend(t.Context(), "anna-of-the-test", client.Want{N: 1}); err != nil {
			return err
		}
		if named() == 0 {
			return errors.New("no list of the user waits")
		}
		return nil
	})
	if _, err := c.ForgetUser(t.Context(), "anna-of-the-test"); err != nil {
		t.Fatal(err)
	}
	var d schema.Deletion
	eventually(t, func() (err error) {
		if d, err = c.UserDeletion(t.Context(), "anna-of-the-test"); err == nil && !d.Complete {
			err = fmt.Errorf("the receipt is not complete: %+v", d)
		}
		return err
	})
	if n := named(); n > 0 || d.Parts[schema.PartAttribution].IsZero() || !slices.Equal(d.Awaits, []string{schema.PartAttribution}) || d.Kept[schema.TopicImpressions] == "" {
		t.Errorf("%d lists of the user are left, the receipt says %+v", n, d)
	}
}

// itemShop is what the test does to a running app.
type itemShop struct {
	t      *testing.T
	app    *App
	client *client.Client
	clicks int
	round  int // of the newest model that was read: the first half of a round is live before its record is written
}

// click makes users click on items, all of them on one after the other.
func (s *itemShop) click(users int, items ...string) {
	s.t.Helper()
	for _, item := range items {
		for u := range users {
			s.clicks++
			e := schema.Event{EventID: fmt.Sprint("click-", s.clicks), UserID: fmt.Sprint("user-", u), ItemID: item, Type: "view", Timestamp: time.Now()}
			if _, err := s.client.Send(s.t.Context(), e); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// windows waits until all windows that are read hold an item, or none does.
func (s *itemShop) windows(item string, want bool) {
	s.t.Helper()
	for u := range 10 {
		eventually(s.t, func() error {
			w, err := s.client.User(s.t.Context(), fmt.Sprint("user-", u))
			has := slices.ContainsFunc(w.Entries, func(e schema.Interaction) bool { return e.ItemID == item })
			if err == nil && (has != want || len(w.Entries) == 0) {
				err = fmt.Errorf("window of user %d: %+v, want %s in it: %t", u, w.Entries, item, want)
			}
			return err
		})
	}
}

// answers reports whether any list holds an item.
func (s *itemShop) answers(item string) bool {
	s.t.Helper()
	ctx := s.t.Context()
	for name, ask := range map[string]func() (schema.Answer, error){
		"a user's": func() (schema.Answer, error) { return s.client.Recommend(ctx, "user-1", client.Want{N: 10}) },
		"popular":  func() (schema.Answer, error) { return s.client.Popular(ctx, client.Want{N: 10}) },
		"similar":  func() (schema.Answer, error) { return s.client.Similar(ctx, "lantern", client.Want{N: 10}) },
		"session":  func() (schema.Answer, error) { return s.client.Session(ctx, []string{"clock"}, client.Want{N: 10}) },
	} {
		a, err := ask()
		if err != nil {
			s.t.Fatalf("%s list: %v", name, err)
		}
		if slices.ContainsFunc(a.Items, func(it schema.AnswerItem) bool { return it.ID == item }) {
			return true
		}
	}
	return false
}

// receipt waits for a complete one.
func (s *itemShop) receipt(item string) (d schema.Deletion) {
	s.t.Helper()
	eventually(s.t, func() (err error) {
		if d, err = s.client.ItemDeletion(s.t.Context(), item); err == nil && !d.Complete {
			err = fmt.Errorf("the receipt is not complete: %+v", d)
		}
		return err
	})
	return d
}

// model waits until a round of that number, or a later one, has made the live model, and reads it.
func (s *itemShop) model(round int) (b *ranker.Bundle) {
	s.t.Helper()
	store, err := snapshot.OpenDir(s.app.models)
	if err != nil {
		s.t.Fatal(err)
	}
	registry := snapshot.NewRegistry(s.app.Redis(), s.app.Keys())
	eventually(s.t, func() error {
		version, err := registry.Current(s.t.Context())
		if err != nil || version == "" {
			return errors.Join(err, errors.New("no model is live"))
		}
		m, files, err := store.Read(context.Background(), version)
		if err != nil {
			return err
		}
		if m.Round < round {
			rounds, err := s.app.Redis().HGetAll(s.t.Context(), s.app.Keys().Rounds()).Result()
			return fmt.Errorf("the model of round %d is live, want %d: %v, %w", m.Round, round, rounds, err)
		}
		s.round = m.Round
		b, err = ranker.Decode(files)
		return err
	})
	return b
}

// seenIn is how often an item was counted.
func seenIn(b *ranker.Bundle, item string) int {
	index, ok := b.Vocab.Lookup(item)
	if !ok {
		return 0
	}
	return b.Counts.Seen(index)
}
