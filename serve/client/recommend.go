package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/softrec/softrec/schema"
)

// Want says what is asked for. Its zero value asks for the server's usual number of items without conditions.
type Want struct {
	N          int        // items; 0 for the server's default
	Categories []string   // only items of one of these
	Exclude    []string   // ids to leave out
	FilterSeen bool       // leave out what is in the user's window; not for Similar and Popular
	Explain    bool       // with the parts of every score
	More       url.Values // any other parameter of the API, by its name there: log=false for a look or a poll that is no impression
}

func (w Want) values(seen bool) url.Values {
	q := url.Values{}
	for name, values := range w.More {
		q[name] = values
	}
	if w.N > 0 {
		q.Set("n", strconv.Itoa(w.N))
	}
	for _, c := range w.Categories {
		q.Add("category", c)
	}
	for _, id := range w.Exclude {
		q.Add("exclude", id)
	}
	if w.FilterSeen && seen {
		q.Set("filter_seen", "true")
	}
	if w.Explain {
		q.Set("explain", "true")
	}
	return q
}

// Recommend asks what comes next for a user, from the window as it is now.
func (c *Client) Recommend(ctx context.Context, user string, w Want) (schema.Answer, error) {
	return c.list(ctx, request{method: http.MethodGet, path: below("recommend", user), query: w.values(true)})
}

// Similar asks what goes with an item.
func (c *Client) Similar(ctx context.Context, item string, w Want) (schema.Answer, error) {
	return c.list(ctx, request{method: http.MethodGet, path: below("similar", item), query: w.values(false)})
}

// Popular asks what is popular now.
func (c *Client) Popular(ctx context.Context, w Want) (schema.Answer, error) {
	return c.list(ctx, request{method: http.MethodGet, path: below("popular"), query: w.values(false)})
}

// Session asks what comes after items, oldest first, of a visitor nobody needs to know. Of the categories the first alone is sent.
func (c *Client) Session(ctx context.Context, items []string, w Want) (schema.Answer, error) {
	doc := map[string]any{"items": items}
	if w.N > 0 {
		doc["n"] = w.N
	}
	if len(w.Categories) > 0 {
		doc["category"] = w.Categories[0]
	}
	if len(w.Exclude) > 0 {
		doc["exclude"] = w.Exclude
	}
	if w.FilterSeen {
		doc["filter_seen"] = true
	}
	if w.Explain {
		doc["explain"] = true
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return schema.Answer{}, fmt.Errorf("encode the session: %w", err)
	}
	return c.list(ctx, request{method: http.MethodPost, path: below("session", "recommend"), query: w.More, body: body, contentType: "application/json"})
}

// list sends r and checks the answer. Asking changes nothing, so it may be tried again whatever the method.
func (c *Client) list(ctx context.Context, r request) (schema.Answer, error) {
	body, _, err := c.do(ctx, r)
	if err != nil {
		return schema.Answer{}, err
	}
	a, err := schema.DecodeAnswer(body)
	if err != nil {
		return schema.Answer{}, fmt.Errorf("read the answer of %s: %w", r.path, err)
	}
	return a, nil
}
