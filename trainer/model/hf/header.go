package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// metaKey is the one name in a header that is no tensor.
const metaKey = "__metadata__"

// parseHeader reads the JSON object of a header entry by entry, because a duplicate name must be an error: two readers that
// disagree on which one counts would load different weights from one file.
func parseHeader(text []byte) (map[string]entry, map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("the header is not a JSON object")
	}
	entries := make(map[string]entry)
	var meta map[string]string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("parse header: %w", err)
		}
		name, _ := t.(string)
		if name == metaKey {
			if meta != nil {
				return nil, nil, errors.New("the header has two " + metaKey)
			}
			meta = make(map[string]string)
			if err := d.Decode(&meta); err != nil {
				return nil, nil, fmt.Errorf("parse %s: %w", metaKey, err)
			}
			continue
		}
		if _, twice := entries[name]; twice {
			return nil, nil, fmt.Errorf("tensor %q is described twice", name)
		}
		if entries[name], err = parseEntry(d); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("parse header: %w", err)
	}
	rest, err := io.ReadAll(d.Buffered())
	if err != nil || strings.Trim(string(rest), " \n\t\r\x00") != "" {
		return nil, nil, errors.New("the header goes on behind its JSON object")
	}
	return entries, meta, nil
}

func parseEntry(d *json.Decoder) (entry, error) {
	var raw struct {
		DType   string   `json:"dtype"`
		Shape   *[]int   `json:"shape"`
		Offsets *[]int64 `json:"data_offsets"`
	}
	if err := d.Decode(&raw); err != nil {
		return entry{}, err
	}
	if raw.Shape == nil || raw.Offsets == nil || len(*raw.Offsets) != 2 {
		return entry{}, errors.New("want a dtype, a shape and two data_offsets")
	}
	e := entry{dtype: raw.DType, shape: *raw.Shape, begin: (*raw.Offsets)[0], end: (*raw.Offsets)[1]}
	if e.begin < 0 || e.end < e.begin {
		return entry{}, fmt.Errorf("data_offsets are %d and %d", e.begin, e.end)
	}
	n, err := elements(e.shape)
	if err != nil {
		return entry{}, err
	}
	bytesEach, known := width(e.dtype)
	if known && n*bytesEach != e.end-e.begin {
		return entry{}, fmt.Errorf("%s of shape %v needs %d bytes, data_offsets give %d", e.dtype, e.shape, n*bytesEach, e.end-e.begin)
	}
	return e, nil
}
