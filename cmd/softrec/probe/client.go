package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/softrec/softrec/schema"
)

// Client speaks to the HTTP API of softrec.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client for the server at base, for example "http://127.0.0.1:8080".
func NewClient(base string, client *http.Client) *Client { return &Client{base: base, http: client} }

// Recommend asks for n items for user.
func (c *Client) Recommend(ctx context.Context, user string, n int) (schema.Answer, error) {
	var a schema.Answer
	err := c.do(ctx, http.MethodGet, "/v1/recommend/"+url.PathEscape(user)+"?n="+strconv.Itoa(n), nil, &a)
	return a, err
}

// Window asks for the window of user.
func (c *Client) Window(ctx context.Context, user string) (schema.Window, error) {
	var w schema.Window
	err := c.do(ctx, http.MethodGet, "/v1/users/"+url.PathEscape(user), nil, &w)
	return w, err
}

// Item asks for one item of the catalogue.
func (c *Client) Item(ctx context.Context, id string) (schema.Item, error) {
	var it schema.Item
	err := c.do(ctx, http.MethodGet, "/v1/items/"+url.PathEscape(id), nil, &it)
	return it, err
}

// PutItem writes an item to the catalogue. It returns once the item is visible to requests, or on its way there.
func (c *Client) PutItem(ctx context.Context, it schema.Item) error {
	body, err := json.Marshal(it)
	if err != nil {
		return fmt.Errorf("encode item %q: %w", it.ID, err)
	}
	return c.do(ctx, http.MethodPut, "/v1/items/"+url.PathEscape(it.ID), body, nil)
}

// Send posts one event; nil means that the broker has it.
func (c *Client) Send(ctx context.Context, e schema.Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	return c.do(ctx, http.MethodPost, "/v1/events", body, nil)
}

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 16 << 20

// do sends one request and decodes a good answer into out, which may be nil.
func (c *Client) do(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, answer)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: decode the answer: %w", method, path, err)
	}
	return nil
}
