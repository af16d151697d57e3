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

// Share is a rate, between 0 and 1, with its 95 % interval.
type Share struct {
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	Of   int64   `json:"of"` // trials
}

// Arm is one arm of the server that answered.
type Arm struct {
	Name     string  `json:"name"`
	Share    float64 `json:"share"` // of the users; of a shadow: of the logged answers
	Model    string  `json:"model"` // "live", or a version
	Ranking  string  `json:"ranking"`
	Shadow   bool    `json:"shadow"`
	Answers  string  `json:"answers_with"` // the version it answers with now; empty before the first model
	Degraded string  `json:"degraded"`     // why it is not what it should be; empty where it is
}

// ArmResult is what became of one arm's answers with one model version.
type ArmResult struct {
	schema.ArmTotals
	CTR        Share   `json:"ctr"`        // answers with at least one click
	Conversion Share   `json:"conversion"` // answers with at least one conversion
	HR10       Share   `json:"hr10"`       // scored lists whose first ten items held the user's next interaction
	NDCG10     float64 `json:"ndcg10"`
}

// SourceResult is what became of the items of one source.
type SourceResult struct {
	schema.SourceTotals
	CTR        Share `json:"ctr"` // items clicked
	Conversion Share `json:"conversion"`
}

// Attribution is what became of the answers since they are counted.
type Attribution struct {
	Enabled    bool           `json:"enabled"`    // answers are logged and joined with interactions
	Experiment []Arm          `json:"experiment"` // empty where no arms are configured
	Arms       []ArmResult    `json:"arms"`       // by arm and model version, the newest version of an arm first
	Sources    []SourceResult `json:"sources"`
}

// Attribution reads what became of the answers, by arm, model version and source.
func (c *Client) Attribution(ctx context.Context) (a Attribution, err error) {
	err = c.get(ctx, below("attribution"), nil, &a)
	return a, err
}

// RolledBack is what a rollback did.
type RolledBack struct {
	Before string `json:"before"` // the version that was live
	Live   string `json:"live"`   // the version that is live now
}

// Rollback makes the model live that was so before from. Where another version than from is live it changes nothing and returns an *Error with the
// status 409; so it does when a try took effect, its answer was lost, and it was tried again. It needs an admin key.
func (c *Client) Rollback(ctx context.Context, from string) (r RolledBack, err error) {
	err = c.post(ctx, below("models", "rollback"), map[string]any{"from": from}, &r)
	return r, err
}

// DeadLetters reads the newest records that were set aside, newest first; limit 0 stands for the server's usual number. It needs an admin key.
func (c *Client) DeadLetters(ctx context.Context, limit int) ([]schema.DeadLetter, error) {
	var list struct {
		Letters []schema.DeadLetter `json:"letters"`
	}
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	err := c.get(ctx, below("deadletters"), q, &list)
	return list.Letters, err
}

// ReplayDeadLetter sends the record of one dead letter again to where it came from, and returns that topic. A try whose answer was lost may have
// sent it already: an event counts once if it has an event_id. It needs an admin key; an *Error with the status 404 says that nothing stands there, 409
// that it cannot be sent again.
func (c *Client) ReplayDeadLetter(ctx context.Context, partition int, offset int64) (topic string, err error) {
	var sent struct {
		Topic string `json:"topic"`
	}
	err = c.post(ctx, below("deadletters", "replay"), map[string]any{"partition": partition, "offset": offset}, &sent)
	return sent.Topic, err
}

// post sends doc and decodes the answer into out.
func (c *Client) post(ctx context.Context, path string, doc map[string]any, out any) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode the body of %s: %w", path, err)
	}
	answer, _, err := c.do(ctx, request{method: http.MethodPost, path: path, body: body, contentType: "application/json"})
	if err != nil {
		return err
	}
	return decode(path, answer, out)
}
