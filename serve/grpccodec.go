package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rpc"
)

// eventOf reads the event of a call, with the checks of the JSON one.
func eventOf(e *rpc.Event) (schema.Event, error) {
	out := schema.Event{
		EventID: e.GetEventId(), UserID: e.GetUserId(), ItemID: e.GetItemId(), Type: e.GetType(), Value: e.GetValue(),
		SessionID: e.GetSessionId(), RecommendationID: e.GetRecommendationId(),
	}
	if out.Type == "" {
		out.Type = schema.DefaultType
	}
	if e.GetTimestamp() != nil {
		out.Timestamp = e.GetTimestamp().AsTime().UTC().Truncate(time.Millisecond)
	}
	return out, out.Validate()
}

// sessionQuestion writes the question of a session as the body of the HTTP API.
func sessionQuestion(m *rpc.SessionRequest) ([]byte, error) {
	doc := map[string]any{"items": m.GetItems()}
	w := m.GetWant()
	if w.GetN() > 0 {
		doc["n"] = w.GetN()
	}
	switch c := w.GetCategories(); len(c) {
	case 0:
	case 1:
		doc["category"] = c[0]
	default:
		return nil, problem(http.StatusUnprocessableEntity, "validation failed",
			&huma.ErrorDetail{Location: "want.categories", Value: strings.Join(c, ","), Message: "a session takes one category"})
	}
	if len(w.GetExclude()) > 0 {
		doc["exclude"] = w.GetExclude()
	}
	if w.GetFilterSeen() {
		doc["filter_seen"] = true
	}
	if w.GetExplain() {
		doc["explain"] = true
	}
	return json.Marshal(doc)
}

// called turns what a handler of the HTTP API gave into what a call gives.
func called(out *answerOutput, err error) (*connect.Response[rpc.Answer], error) {
	if err != nil {
		return nil, callError(err)
	}
	a := out.Body
	msg := &rpc.Answer{
		RecommendationId: a.RecommendationID, ModelVersion: a.ModelVersion, Arm: a.Arm, WindowOffset: a.WindowOffset, TookMs: a.TookMS,
		Degraded: a.Degraded, Text: string(a.Text), Items: make([]*rpc.Answer_Item, len(a.Items)),
	}
	for i, it := range a.Items {
		msg.Items[i] = &rpc.Answer_Item{Id: it.ID, Title: it.Title, Score: it.Score, Source: string(it.Source), Parts: it.Parts}
	}
	return connect.NewResponse(msg), nil
}

// callCodes is what a status of the HTTP API means for a call.
var callCodes = map[int]connect.Code{
	http.StatusBadRequest: connect.CodeInvalidArgument, http.StatusUnprocessableEntity: connect.CodeInvalidArgument,
	http.StatusUnauthorized: connect.CodeUnauthenticated, http.StatusForbidden: connect.CodePermissionDenied,
	http.StatusNotFound: connect.CodeNotFound, http.StatusRequestEntityTooLarge: connect.CodeResourceExhausted,
	http.StatusTooManyRequests: connect.CodeResourceExhausted, http.StatusServiceUnavailable: connect.CodeUnavailable,
}

// callError turns a problem document into the error of a call, the fields in its text.
func callError(err error) error {
	var status huma.StatusError
	if !errors.As(err, &status) {
		return connect.NewError(connect.CodeInternal, err)
	}
	code, known := callCodes[status.GetStatus()]
	if !known {
		code = connect.CodeInternal
	}
	text := status.Error()
	var doc *huma.ErrorModel
	if errors.As(err, &doc) {
		for _, d := range doc.Errors {
			text += fmt.Sprintf("; %s %q: %s", d.Location, fmt.Sprint(d.Value), d.Message)
		}
	}
	return connect.NewError(code, errors.New(text))
}
