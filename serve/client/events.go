package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

// Taken says what became of events.
type Taken struct {
	Accepted   int       `json:"accepted"`   // written to the topic
	Duplicates int       `json:"duplicates"` // known already
	Rejected   []Refused `json:"rejected"`   // not usable
}

// Refused says why one event was not taken.
type Refused struct {
	Index  int    `json:"index"` // place among those sent, from 0
	Field  string `json:"field"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// Send hands interactions over; once it returns, Kafka has those it counts as accepted. At most schema.MaxBatchEvents at
// once. Where none could be used the error is an *Error with the status 422.
func (c *Client) Send(ctx context.Context, events ...schema.Event) (Taken, error) {
	if len(events) == 0 {
		return Taken{}, errors.New("client: no events to send")
	}
	named := slices.Clone(events)
	for i := range named {
		if named[i].EventID != "" {
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return Taken{}, fmt.Errorf("name an event: %w", err)
		}
		named[i].EventID = id.String()
	}
	body, err := json.Marshal(named)
	if err != nil {
		return Taken{}, fmt.Errorf("encode events: %w", err)
	}
	answer, _, err := c.do(ctx, request{method: http.MethodPost, path: below("events"), body: body, contentType: "application/json"})
	if err != nil {
		return Taken{}, err
	}
	var t Taken
	return t, decode("/v1/events", answer, &t)
}
