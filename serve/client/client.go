package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Client speaks to one server, or to whatever stands behind one address. Build it with New.
type Client struct {
	base     *url.URL
	http     *http.Client
	key      string
	tries    int
	firstGap time.Duration
	timeout  time.Duration
}

// Option changes a Client under construction.
type Option func(*Client)

// WithKey sends an API key with every request.
func WithKey(key string) Option { return func(c *Client) { c.key = key } }

// WithHTTPClient uses h in place of a client with a time-out of its own and 64 idle connections.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithTries says how often a call is tried in all, at least once; the default is 4.
func WithTries(n int) Option { return func(c *Client) { c.tries = n } }

// WithTimeout bounds one try; the default is 10 seconds.
func WithTimeout(d time.Duration) Option { return func(c *Client) { c.timeout = d } }

// WithFirstGap is the pause before the second try, which then doubles; the default is 50 ms. A server that says when to
// come back is asked then.
func WithFirstGap(d time.Duration) Option { return func(c *Client) { c.firstGap = d } }

// New returns a client of the server at base, for example "http://localhost:8080".
func New(base string, opts ...Option) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("client: address %q: %w", base, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("client: address %q: want http://host:port or https://host:port", base)
	}
	c := &Client{base: u, tries: 4, firstGap: 50 * time.Millisecond, timeout: 10 * time.Second}
	for _, o := range opts {
		o(c)
	}
	if c.tries < 1 {
		return nil, fmt.Errorf("client: tries %d: want at least 1", c.tries)
	}
	if c.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		c.http = &http.Client{Transport: transport}
	}
	return c, nil
}

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 32 << 20

// request is one call: path holds the escaped segments below the base, body is sent as JSON where there is one.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	contentType  string
}

// do sends r, again where that may help, and returns the body of a good answer.
func (c *Client) do(ctx context.Context, r request) ([]byte, int, error) {
	for s := range strings.SplitSeq(r.path, "/") {
		if s == "." || s == ".." {
			return nil, 0, fmt.Errorf("%s %s: an id %q cannot be named in an address", r.method, r.path, s)
		}
	}
	var body []byte
	var status int
	gaps := backoff.NewExponentialBackOff(backoff.WithInitialInterval(c.firstGap), backoff.WithMaxElapsedTime(0))
	tries := &patient{BackOff: backoff.WithMaxRetries(gaps, uint64(c.tries-1))}
	err := backoff.Retry(func() error {
		var err error
		body, status, err = c.once(ctx, r)
		return tries.judge(err)
	}, backoff.WithContext(tries, ctx))
	if err != nil {
		return nil, status, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return body, status, nil
}

func (c *Client) once(ctx context.Context, r request) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := *c.base
	u.RawQuery = r.query.Encode()
	u = *u.JoinPath(r.path) // #nosec G125 -- do refuses the segments that would climb
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, 0, backoff.Permanent(err)
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", r.contentType)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, resp.StatusCode, err
	}
	if len(body) > maxAnswer {
		return nil, resp.StatusCode, backoff.Permanent(fmt.Errorf("the answer has more than %d bytes", maxAnswer))
	}
	if resp.StatusCode >= 400 {
		return nil, resp.StatusCode, newError(resp, body)
	}
	return body, resp.StatusCode, nil
}

// patient waits as long as the server said, where it did.
type patient struct {
	backoff.BackOff
	wait time.Duration
}

// judge marks what another try cannot mend and remembers when the server wants to be asked again.
func (p *patient) judge(err error) error {
	p.wait = 0
	var answer *Error
	if !errors.As(err, &answer) {
		return err // not reached, or cut off: again
	}
	if !answer.Temporary() {
		return backoff.Permanent(err)
	}
	p.wait = answer.RetryAfter
	return err
}

// NextBackOff implements backoff.BackOff.
func (p *patient) NextBackOff() time.Duration {
	next := p.BackOff.NextBackOff()
	if next == backoff.Stop {
		return next
	}
	return max(next, p.wait)
}

// get asks and decodes the answer into out.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	body, _, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return err
	}
	return decode(path, body, out)
}

func decode(path string, body []byte, out any) error {
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}

// below joins escaped segments to a path.
func below(segments ...string) string {
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return "/v1/" + strings.Join(segments, "/")
}
