package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve"
)

// patience is how long a request may take before it counts as failed; maxBody bounds its answer.
const (
	patience = 10 * time.Second
	maxBody  = 16 << 20
)

// client asks the server what an evaluation wants to know.
type client struct {
	base string
	http *http.Client
}

func newClient(base string) *client {
	return &client{base: base, http: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
}

// recommend asks for one list for user, with filter without what is in the user's window.
func (c *client) recommend(ctx context.Context, user string, filter bool) (schema.Answer, error) {
	var a schema.Answer
	path := "/v1/recommend/" + url.PathEscape(user) + "?n=" + strconv.Itoa(evaluation.Cut)
	if filter {
		path += "&filter_seen=true"
	}
	return a, c.get(ctx, path, &a)
}

// models asks for the snapshots there are.
func (c *client) models(ctx context.Context) ([]schema.Manifest, error) {
	var list serve.ModelList
	err := c.get(ctx, "/v1/models", &list)
	if err == nil && list.Degraded != "" {
		err = errors.New(list.Degraded)
	}
	return list.Manifests, err
}

// rounds asks for the newest rounds, as many as the server keeps.
func (c *client) rounds(ctx context.Context) ([]schema.Round, error) {
	var list serve.RoundList
	err := c.get(ctx, "/v1/rounds?limit=1000", &list)
	return list.Rounds, err
}

func (c *client) get(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	switch {
	case err != nil:
		return fmt.Errorf("ask for %s: read the answer: %w", path, err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("ask for %s: %s: %.200s", path, resp.Status, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("ask for %s: decode the answer: %w", path, err)
	}
	return nil
}

func (c *client) close() { c.http.CloseIdleConnections() }
