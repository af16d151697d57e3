package serve

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/softrec/softrec/schema"
)

const (
	recommendPath    = "/v1/recommend/"
	recommendPattern = "GET " + recommendPath + "{user}" // as the API registers it
)

// quick answers the request that nearly all are, GET /v1/recommend/{user} without parameters, with the API's own handler, but
// without the API's reading of parameters and its reflection. Anything else is next's. Both ways give the same answer, and the same
// problem where there is none, which tests hold.
func (s *Server) quick(next http.Handler) http.Handler {
	var buffers sync.Pool
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := strings.CutPrefix(r.URL.Path, recommendPath)
		if !ok || r.Method != http.MethodGet || r.URL.RawQuery != "" || r.URL.ForceQuery || r.URL.RawPath != "" ||
			user == "." || user == ".." || strings.Contains(user, "/") || schema.CheckUserID(user) != nil || r.Header["If-None-Match"] != nil {
			next.ServeHTTP(w, r)
			return
		}
		r.Pattern = recommendPattern
		out, err := s.getRecommend(r.Context(), &recommendInput{User: user})
		if err != nil { // next would only do the work again
			writeError(w, err)
			return
		}
		buf, _ := buffers.Get().(*[]byte)
		if buf == nil {
			buf = new([]byte)
		}
		*buf = appendAnswer((*buf)[:0], &out.Body)
		h := w.Header()
		h["Content-Type"] = jsonType
		if out.ETag != "" {
			h.Set("ETag", out.ETag)
		}
		if out.CacheControl != "" {
			h.Set("Cache-Control", out.CacheControl)
		}
		h.Set("Content-Length", strconv.Itoa(len(*buf)))
		_, _ = w.Write(*buf) // the client may be gone
		if cap(*buf) <= maxKeptBuffer {
			buffers.Put(buf)
		}
	})
}

// maxKeptBuffer keeps one long answer from making every buffer as long, bytes.
const maxKeptBuffer = 64 << 10

var jsonType = []string{"application/json"}

// appendAnswer appends what json.Encoder writes for a, without reflection for the fields an answer without rules has.
func appendAnswer(b []byte, a *schema.Answer) []byte {
	if !plainAnswer(a) {
		return appendEncoded(b, a)
	}
	b = append(b, `{"recommendation_id":`...)
	b = appendText(b, a.RecommendationID)
	b = append(b, `,"model_version":`...)
	b = appendText(b, a.ModelVersion)
	if a.Arm != "" {
		b = append(b, `,"arm":`...)
		b = appendText(b, a.Arm)
	}
	b = append(b, `,"window_offset":`...)
	b = strconv.AppendInt(b, a.WindowOffset, 10)
	b = append(b, `,"took_ms":`...)
	b = appendNumber(b, a.TookMS)
	if a.Degraded != "" {
		b = append(b, `,"degraded":`...)
		b = appendText(b, a.Degraded)
	}
	if a.Text != "" {
		b = append(b, `,"text":`...)
		b = appendText(b, string(a.Text))
	}
	b = append(b, `,"items":[`...)
	for i := range a.Items {
		it := &a.Items[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = appendText(b, it.ID)
		if it.Title != "" {
			b = append(b, `,"title":`...)
			b = appendText(b, it.Title)
		}
		b = append(b, `,"score":`...)
		b = appendNumber(b, it.Score)
		b = append(b, `,"source":`...)
		b = appendText(b, string(it.Source))
		b = append(b, '}')
	}
	return append(b, "]}\n"...)
}

// plainAnswer reports whether a has none of the fields that appendAnswer does not write. A test counts the fields.
func plainAnswer(a *schema.Answer) bool {
	if a.Items == nil || a.Next != "" || !finiteNumber(a.TookMS) {
		return false
	}
	for i := range a.Items {
		if it := &a.Items[i]; len(it.Parts) > 0 || len(it.Why) > 0 || it.Propensity != 0 || !finiteNumber(it.Score) {
			return false
		}
	}
	return true
}

func finiteNumber(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// appendEncoded appends v as the API's own encoder writes it.
func appendEncoded(b []byte, v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // texts and finite numbers always encode
		return append(b, "null\n"...)
	}
	return append(b, out.Bytes()...)
}

// appendText appends s as a JSON text.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return bytes.TrimSuffix(appendEncoded(b, s), []byte("\n"))
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendNumber appends a finite number as encoding/json writes it.
func appendNumber(b []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return bytes.TrimSuffix(appendEncoded(b, f), []byte("\n"))
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}
