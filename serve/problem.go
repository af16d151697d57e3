package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
)

// problem is an RFC 9457 document with the given status; details name field and value.
func problem(status int, detail string, details ...error) error {
	return huma.NewError(status, detail, details...)
}

// unavailable is a 503 that says when to come back.
func unavailable(retryAfter time.Duration, format string, args ...any) error {
	seconds := max(1, int(retryAfter.Round(time.Second)/time.Second))
	return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, fmt.Sprintf(format, args...)),
		http.Header{"Retry-After": {strconv.Itoa(seconds)}})
}

// invalid is a 422 that lists every *schema.FieldError in err under location, for example "path.user" or "body".
func invalid(location string, err error) error {
	var details []error
	for _, f := range fieldErrors(err) {
		details = append(details, detailOf(location, f))
	}
	if details == nil {
		details = []error{&huma.ErrorDetail{Message: err.Error(), Location: location}}
	}
	return problem(http.StatusUnprocessableEntity, "validation failed", details...)
}

// detailOf places f at location; a body's location gets the field's name.
func detailOf(location string, f *schema.FieldError) *huma.ErrorDetail {
	if location == "body" || len(location) > 4 && location[:5] == "body[" {
		location += "." + f.Field
	}
	return &huma.ErrorDetail{Message: f.Reason, Location: location, Value: f.Value}
}

// fieldErrors returns every *schema.FieldError in err's tree, in order.
func fieldErrors(err error) []*schema.FieldError {
	switch e := err.(type) {
	case nil:
		return nil
	case *schema.FieldError:
		return []*schema.FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*schema.FieldError
		for _, inner := range e.Unwrap() {
			all = append(all, fieldErrors(inner)...)
		}
		return all
	default:
		return fieldErrors(errors.Unwrap(err))
	}
}

// recorder notes the status of an answer and turns errors that net/http or a file server wrote as text (404, 405, ...)
// into problem documents, so that every error of this server has one shape.
type recorder struct {
	http.ResponseWriter
	status  int   // 0 until the header is written
	swallow bool  // the body of an error that was replaced
	asIs    bool  // errors are not replaced: the calls of gRPC have a form of their own
	gone    error // of the first write that failed: nobody reads the answer any more
}

// Unwrap lets http.ResponseController reach flushing and deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush implements http.Flusher for those who ask for it by type, as the streams of gRPC do.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// WriteHeader writes the header once, see recorder.
func (r *recorder) WriteHeader(status int) {
	if r.status != 0 {
		return
	}
	if status < http.StatusOK { // 100 Continue, 103 Early Hints: not the answer yet
		r.ResponseWriter.WriteHeader(status)
		return
	}
	r.status = status
	if status >= http.StatusBadRequest && !r.asIs && r.Header().Get("Content-Type") != problemType {
		r.swallow = true
		writeProblem(r.ResponseWriter, status, http.StatusText(status)+allowed(r.Header()))
		return
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write passes b on, or drops it when it is the text of an error that was replaced.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.swallow {
		return len(b), nil
	}
	n, err := r.ResponseWriter.Write(b)
	if r.gone == nil {
		r.gone = err
	}
	return n, err
}

const problemType = "application/problem+json"

// writeProblem writes a whole problem document.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
	if err != nil { // an ErrorModel of texts always encodes
		body = []byte(`{}`)
	}
	h := w.Header()
	h.Del("Content-Encoding")
	h.Set("Content-Type", problemType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// writeError writes an error of a handler as the API does.
func writeError(w http.ResponseWriter, err error) {
	h := w.Header()
	var extra huma.HeadersError
	if errors.As(err, &extra) {
		for name, values := range extra.GetHeaders() {
			h[name] = append(h[name], values...)
		}
	}
	var p huma.StatusError
	if !errors.As(err, &p) {
		p = huma.NewError(http.StatusInternalServerError, "unexpected error occurred", err)
	}
	h.Set("Content-Type", problemType)
	w.WriteHeader(p.GetStatus())
	_, _ = w.Write(appendEncoded(nil, p)) // the client may be gone
}

// allowed says which methods a 405 would have accepted.
func allowed(h http.Header) string {
	if a := h.Get("Allow"); a != "" {
		return ": this path allows " + a
	}
	return ""
}
