package schema

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// flat reads the common form of an event: one flat JSON object of texts without escapes and numbers. Anything else (escapes, null,
// nested values, keys in another case, a fault of any kind) it leaves to encoding/json, which also finds the words for it: ok is then
// false. It is about five times as fast, and decoding is most of what reading a topic costs.
type flat struct {
	b  []byte
	at int
}

// readFlat fills w from b; a timestamp that was text is given without its quotes. Texts are copies: nothing holds on to b.
func readFlat(b []byte, w *wireEvent) (timeText string, ok bool) {
	if bytes.IndexByte(b, '\\') >= 0 || !utf8.Valid(b) {
		return "", false
	}
	p := flat{b: b}
	if !p.take('{') {
		return "", false
	}
	if p.take('}') {
		return "", p.ended()
	}
	for {
		key, ok := p.text()
		if !ok || !plainKey(key) || !p.take(':') {
			return "", false
		}
		p.space()
		if p.at < len(b) && b[p.at] == '"' {
			value, ok := p.text()
			if !ok || !w.setText(key, value, &timeText) {
				return "", false
			}
		} else {
			value, ok := p.number()
			if !ok || !w.setNumber(key, value) {
				return "", false
			}
			if string(key) == "timestamp" {
				timeText = ""
			}
		}
		if p.take(',') {
			continue
		}
		return timeText, p.take('}') && p.ended()
	}
}

// setText stores a text; false means that the field is no text.
func (w *wireEvent) setText(key, value []byte, timeText *string) bool {
	switch string(key) {
	case "event_id":
		w.EventID = string(value)
	case "user_id":
		w.UserID = string(value)
	case "item_id":
		w.ItemID = string(value)
	case "type":
		w.Type = DefaultType
		if string(value) != DefaultType {
			w.Type = string(value)
		}
	case "session_id":
		w.SessionID = string(value)
	case "recommendation_id":
		w.RecommendationID = string(value)
	case "timestamp":
		w.Timestamp, *timeText = nil, string(value)
		return len(value) > 0
	case "value":
		return false
	}
	return true
}

// setNumber stores a number; false means that the field is none, or that it does not fit.
func (w *wireEvent) setNumber(key, value []byte) bool {
	switch string(key) {
	case "event_id", "user_id", "item_id", "type", "session_id", "recommendation_id":
		return false
	case "timestamp":
		w.Timestamp = value
	case "value":
		v, err := strconv.ParseFloat(string(value), 64)
		w.Value = v
		return err == nil
	}
	return true
}

// plainKey reports whether key can only be meant as it is written: encoding/json matches names in any case.
func plainKey(key []byte) bool {
	for _, c := range key {
		if (c < 'a' || c > 'z') && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (p *flat) space() {
	for p.at < len(p.b) && (p.b[p.at] == ' ' || p.b[p.at] == '\t' || p.b[p.at] == '\n' || p.b[p.at] == '\r') {
		p.at++
	}
}

// take passes c, with blanks before it.
func (p *flat) take(c byte) bool {
	p.space()
	if p.at >= len(p.b) || p.b[p.at] != c {
		return false
	}
	p.at++
	return true
}

// ended reports whether only blanks are left.
func (p *flat) ended() bool {
	p.space()
	return p.at == len(p.b)
}

// text passes a text and returns what stands between its quotes. There is no escape in b, and no invalid UTF-8.
func (p *flat) text() ([]byte, bool) {
	if !p.take('"') {
		return nil, false
	}
	for start := p.at; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; {
		case c == '"':
			p.at++
			return p.b[start : p.at-1], true
		case c < ' ':
			return nil, false
		}
	}
	return nil, false
}

// number passes a number as JSON writes it.
func (p *flat) number() ([]byte, bool) {
	start := p.at
	p.pass('-')
	if whole := p.digits(); whole == 0 || whole > 1 && p.b[p.at-whole] == '0' {
		return nil, false
	}
	if p.pass('.') && p.digits() == 0 {
		return nil, false
	}
	if p.pass('e') || p.pass('E') {
		if !p.pass('+') {
			p.pass('-')
		}
		if p.digits() == 0 {
			return nil, false
		}
	}
	return p.b[start:p.at], true
}

// pass passes c if it stands here.
func (p *flat) pass(c byte) bool {
	if p.at < len(p.b) && p.b[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *flat) digits() (n int) {
	for p.at < len(p.b) && p.b[p.at] >= '0' && p.b[p.at] <= '9' {
		p.at++
		n++
	}
	return n
}
