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

// Item reads one item of the catalogue. An item that is not there or withdrawn is an *Error with the status 404.
func (c *Client) Item(ctx context.Context, id string) (schema.Item, error) {
	var it schema.Item
	return it, c.get(ctx, below("items", id), nil, &it)
}

// Items finds items by words of their title, the newest for an empty query, and how many there are in all.
func (c *Client) Items(ctx context.Context, query string, limit int) ([]schema.Item, int, error) {
	var list struct {
		Items []schema.Item `json:"items"`
		Total int           `json:"total"`
	}
	q := url.Values{}
	if query != "" {
		q.Set("query", query)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	err := c.get(ctx, below("items"), q, &list)
	return list.Items, list.Total, err
}

// PutItem writes an item whole and reports whether answers show it already.
func (c *Client) PutItem(ctx context.Context, it schema.Item) (visible bool, err error) {
	body, err := json.Marshal(it)
	if err != nil {
		return false, fmt.Errorf("encode item %q: %w", it.ID, err)
	}
	return c.change(ctx, request{method: http.MethodPut, path: below("items", it.ID), body: body, contentType: "application/json"})
}

// PatchItem changes fields of an item: a JSON merge patch (RFC 7396), in which null removes a field.
func (c *Client) PatchItem(ctx context.Context, id string, patch map[string]any) (visible bool, err error) {
	body, err := json.Marshal(patch)
	if err != nil {
		return false, fmt.Errorf("encode the patch of item %q: %w", id, err)
	}
	return c.change(ctx, request{method: http.MethodPatch, path: below("items", id), body: body, contentType: "application/merge-patch+json"})
}

// WithdrawItem takes an item out of every answer that is asked for after it returned true.
func (c *Client) WithdrawItem(ctx context.Context, id string) (gone bool, err error) {
	return c.change(ctx, request{method: http.MethodDelete, path: below("items", id)})
}

// ItemDeletion returns the receipt of the newest withdrawal of an item, which says when each part of softrec had nothing of it any
// more.
func (c *Client) ItemDeletion(ctx context.Context, id string) (d schema.Deletion, err error) {
	err = c.get(ctx, below("items", id, "deletion"), nil, &d)
	return d, err
}

// change sends r and reports whether the change can be seen already: 200 rather than 202.
func (c *Client) change(ctx context.Context, r request) (bool, error) {
	_, status, err := c.do(ctx, r)
	return status == http.StatusOK, err
}

// User reads a user's window, oldest interaction first. A user nobody knows has an empty one.
func (c *Client) User(ctx context.Context, id string) (schema.Window, error) {
	var w schema.Window
	return w, c.get(ctx, below("users", id), nil, &w)
}

// ForgetUser removes what is kept of a user and reports whether the window is empty already.
func (c *Client) ForgetUser(ctx context.Context, id string) (gone bool, err error) {
	return c.change(ctx, request{method: http.MethodDelete, path: below("users", id)})
}

// UserDeletion returns the receipt of the newest deletion of a user, which says when each part of softrec had nothing of the
// user any more.
func (c *Client) UserDeletion(ctx context.Context, id string) (d schema.Deletion, err error) {
	err = c.get(ctx, below("users", id, "deletion"), nil, &d)
	return d, err
}
