package probe

import (
	"context"
	"net/http"
	"net/url"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/client"
)

// Client speaks to the HTTP API of softrec and tries every request once: a probe counts what fails.
type Client struct{ api *client.Client }

// NewClient returns a client for the server at base, for example "http://127.0.0.1:8080".
func NewClient(base string, h *http.Client) (*Client, error) {
	c, err := client.New(base, client.WithHTTPClient(h), client.WithTries(1))
	return &Client{api: c}, err
}

// Recommend asks for n items for user. Nobody sees them: they are no impressions.
func (c *Client) Recommend(ctx context.Context, user string, n int) (schema.Answer, error) {
	return c.api.Recommend(ctx, user, client.Want{N: n, More: url.Values{"log": {"false"}}})
}

// Window asks for the window of user.
func (c *Client) Window(ctx context.Context, user string) (schema.Window, error) {
	return c.api.User(ctx, user)
}

// Forget deletes user.
func (c *Client) Forget(ctx context.Context, user string) error {
	_, err := c.api.ForgetUser(ctx, user)
	return err
}

// Deletion asks for the receipt of the newest deletion of user.
func (c *Client) Deletion(ctx context.Context, user string) (schema.Deletion, error) {
	return c.api.UserDeletion(ctx, user)
}

// Item asks for one item of the catalogue.
func (c *Client) Item(ctx context.Context, id string) (schema.Item, error) {
	return c.api.Item(ctx, id)
}

// PutItem writes an item to the catalogue. It returns once the item is visible to requests, or on its way there.
func (c *Client) PutItem(ctx context.Context, it schema.Item) error {
	_, err := c.api.PutItem(ctx, it)
	return err
}

// Send posts one event; nil means that the broker has it.
func (c *Client) Send(ctx context.Context, e schema.Event) error {
	_, err := c.api.Send(ctx, e)
	return err
}
