package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
)

// maxBatchUsers is how many lists one request may ask for.
const maxBatchUsers = 256

const batchPath = "/v1/recommend:batch"

// batchBody is the body of POST /v1/recommend:batch: rules for all users, and users with rules of their own.
type batchBody struct {
	rulesBody
	Users    []string       `json:"users"`
	Requests []batchRequest `json:"requests"`
}

type batchRequest struct {
	rulesBody
	User string `json:"user"`
}

type batchInput struct {
	Logging
	RawBody []byte
}

type batchOutput struct{ Body BatchResult }

// BatchResult is the answer to POST /v1/recommend:batch: one result per user, in the order asked, those of users first.
type BatchResult struct {
	Results []UserResult `json:"results"`
	TookMS  float64      `json:"took_ms"`
}

// UserResult is one user's answer, or why there is none.
type UserResult struct {
	User   string           `json:"user"`
	Answer *schema.Answer   `json:"answer,omitempty"`
	Error  *huma.ErrorModel `json:"error,omitempty" doc:"the problem document that a request for this user alone would have got"`
}

func (s *Server) registerBatch(api huma.API) {
	op := s.operation("recommend-batch", http.MethodPost, batchPath, "recommendations", "What next for many users",
		"One Redis round trip for all. Every list counts against the rate of the key: 429 when there are too many. A user's fault does not spoil the others' answers.")
	op.Errors = []int{400, 413, 422, 429}
	huma.Register(api, op, s.postBatch)
	documentBody(api.OpenAPI().Paths[op.Path].Post, map[string]*huma.Schema{"application/json": rulesSchema(map[string]*huma.Schema{
		"users": {Type: huma.TypeArray, Items: idSchema(), MaxItems: ptr(maxBatchUsers), Description: "users for whom the rules beside this hold"},
		"requests": {Type: huma.TypeArray, MaxItems: ptr(maxBatchUsers), Description: "users with rules of their own",
			Items: rulesSchema(map[string]*huma.Schema{"user": idSchema()})},
	})})
}

// asked is one list of a batch.
type asked struct {
	user string
	q    query
	err  error // it cannot be asked for
}

func (s *Server) postBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	start := time.Now()
	var body batchBody
	if err := decodeStrict("batch", in.RawBody, &body); err != nil {
		return nil, err
	}
	n := len(body.Users) + len(body.Requests)
	if n == 0 || n > maxBatchUsers {
		return nil, invalid("body", &schema.FieldError{Field: "users", Value: fmt.Sprint(n), Reason: fmt.Sprintf("want 1 to %d users and requests together", maxBatchUsers)})
	}
	if err := s.guard.More(ctx, n-1); err != nil { // every list counts against the key's rate
		return nil, overRate(err)
	}
	lists := make([]asked, 0, n)
	for _, user := range body.Users {
		lists = append(lists, s.ask(user, body.rulesBody))
	}
	for _, r := range body.Requests {
		lists = append(lists, s.ask(r.User, r.rulesBody))
	}
	for i := range lists {
		lists[i].q = lists[i].q.logging(in.Logging)
	}
	out := &batchOutput{Body: BatchResult{Results: s.answerAll(ctx, lists)}}
	out.Body.TookMS = float64(time.Since(start).Microseconds()) / 1000
	return out, nil
}

// ask prepares one list.
func (s *Server) ask(user string, body rulesBody) asked {
	if err := schema.CheckUserID(user); err != nil {
		return asked{user: user, err: invalid("body.user", err)}
	}
	spec, err := body.spec()
	if err != nil {
		return asked{user: user, err: err}
	}
	q, err := s.ruledUserQuery(spec, user)
	q.untagged = true
	return asked{user: user, q: q, err: err}
}

// overRate is a refusal of the guard as a problem document.
func overRate(err error) error {
	var r *access.Refusal
	if !errors.As(err, &r) {
		return err
	}
	h := http.Header{}
	r.SetHeaders(h)
	return huma.ErrorWithHeaders(problem(r.Status, r.Detail), h)
}

// answerAll reads the windows in one round trip and answers for all of them.
func (s *Server) answerAll(ctx context.Context, lists []asked) []UserResult {
	defer s.asking.leave(s.asking.enter())
	now := s.deps.Now()
	windows, faults := s.readWindows(ctx, lists)
	return s.rankAll(ctx, lists, windows, faults, now)
}

// rankAll ranks on as many goroutines as there are processors, and places where requests are shed; all end before it does. The time for rules is one
// for all lists, and bounds nothing else; so is the time to wait for the language model.
func (s *Server) rankAll(ctx context.Context, lists []asked, windows []schema.Window, faults []error, now time.Time) []UserResult {
	rulesEnd, textEnd := time.Now().Add(rulesPatience), time.Now().Add(s.cfg.AnswerBudget)
	results := make([]UserResult, len(lists))
	more := s.load.reads.More(int64(min(len(lists), runtime.GOMAXPROCS(0)) - 1)) // one place it has
	defer s.load.reads.GiveBack(more)
	var group errgroup.Group
	group.SetLimit(int(more) + 1)
	for i, l := range lists {
		l.q.rulesEnd, l.q.textEnd = rulesEnd, textEnd
		group.Go(func() error {
			results[i] = s.resultOf(ctx, s.modelFor(l.q), l, windows[i], faults[i], now)
			return nil
		})
	}
	_ = group.Wait() // faults are in the results
	return results
}

func (s *Server) resultOf(ctx context.Context, live *Live, l asked, win schema.Window, fault error, now time.Time) (r UserResult) {
	r = UserResult{User: l.user}
	defer func() { // a panic outside a handler's goroutine would end the process
		if p := recover(); p != nil {
			s.metrics.panics.Inc()
			s.log.Error("panic in a batch", "panic", p)
			r.Answer, r.Error = nil, errorModel(errors.New("unexpected error; the server's log has more"))
		}
	}()
	start := time.Now()
	var out *answerOutput
	err := l.err
	switch {
	case err != nil:
	case fault != nil:
		out, err = s.answer(ctx, start, live, 0, s.popular(ctx, live, l.q, now), l.q, "", s.degrade(fault))
	default:
		out, err = s.recommendWindow(ctx, start, live, win, l.q, now)
	}
	if err != nil {
		r.Error = errorModel(err)
		return r
	}
	r.Answer = &out.Body
	return r
}

// errorModel is err as a problem document.
func errorModel(err error) *huma.ErrorModel {
	var m *huma.ErrorModel
	if errors.As(err, &m) {
		return m
	}
	return &huma.ErrorModel{Status: http.StatusInternalServerError, Title: http.StatusText(http.StatusInternalServerError), Detail: err.Error()}
}

// readWindows reads the windows of lists that can be asked for and brings the catalogue up to date, in one round trip. Faults
// are by list; where Redis does not answer they are all the same.
func (s *Server) readWindows(ctx context.Context, lists []asked) ([]schema.Window, []error) {
	windows, faults := make([]schema.Window, len(lists)), make([]error, len(lists))
	err := s.gateway.do(ctx, func(ctx context.Context, pipe redis.Pipeliner) func() error {
		results := make([]func() (schema.Window, error), len(lists))
		for i, l := range lists {
			if l.err == nil {
				results[i] = s.deps.Windows.Queue(ctx, pipe, l.user)
			}
		}
		behind := s.deps.Catalogue.Queue(ctx, pipe)
		return func() error {
			late, err := behind()
			if err == nil && late {
				err = s.deps.Catalogue.Sync(ctx)
			}
			if err != nil {
				return fmt.Errorf("follow catalogue: %w", err)
			}
			for i, result := range results {
				if result == nil {
					continue
				}
				if windows[i], faults[i] = result(); faults[i] != nil {
					faults[i] = fmt.Errorf("read window %q: %w", lists[i].user, faults[i])
				}
				windows[i].UserID = lists[i].user
				windows[i].Entries = visible(windows[i].Entries, s.deps.Catalogue.Hidden)
			}
			return nil
		}
	})
	if err != nil {
		for i := range faults {
			faults[i] = err
		}
	}
	return windows, faults
}
