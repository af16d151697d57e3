package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func goodManifest(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/v1/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeManifest_refuses(t *testing.T) {
	good := string(goodManifest(t))
	for _, c := range []struct{ from, to, want string }{
		{good, `7`, `manifest "7": is not a JSON object`},
		{`"schema": 1`, `"schema": 2`, `schema "2": is not known, this build reads 1 to 1`},
		{`"schema": 1`, `"schema": 1.5`, `schema "1.5": does not fit into int`},
		{`"schema": 1,`, ``, `schema "0": is not known, this build reads 1 to 1`},
		{`"r000012-3fa9c1d2"`, `""`, `version "": is required`},
		{`"learner": "sequence"`, `"learner": "\u0001"`, `learner "\x01": holds the control character U+0001 at byte 0`},
		{`"round": 12`, `"round": -1`, `round "-1": is negative`},
		{`"0": 1204`, `"0": -1`, `offsets "0: -1": is not a partition and an offset`},
		{`"0": 1204`, `"x": 1`, `offsets "x: 1": is not a partition and an offset`},
		{`"seed": 18446744073709551615`, `"seed": -1`, `seed "-1": does not fit into uint64`},
		{`"vocab.txt"`, `"../vocab.txt"`, `files[1].name "../vocab.txt": is not a path inside the snapshot`},
		{`"vocab.txt"`, `"/etc/passwd"`, `files[1].name "/etc/passwd": is not a path inside the snapshot`},
		{`"vocab.txt"`, `"."`, `files[1].name ".": is not a path inside the snapshot`},
		{`"vocab.txt"`, `""`, `files[1].name "": is required`},
		{`"bytes": 0`, `"bytes": -5`, `files[1].bytes "-5": is negative`},
		{`e3b0c442`, `zzzzzzzz`, `files[1].sha256 "zzzzzzzz98fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": is not a SHA-256 in hex`},
	} {
		_, err := DecodeManifest([]byte(strings.Replace(good, c.from, c.to, 1)))
		var f *FieldError
		if err == nil || err.Error() != c.want || !errors.As(err, &f) {
			t.Errorf("%s -> %s:\n got %v\nwant %s", c.from, c.to, err, c.want)
		}
	}
}

func TestManifest_Validate(t *testing.T) {
	m, err := DecodeManifest(goodManifest(t))
	if err != nil {
		t.Fatal(err)
	}
	m.Metrics = map[string]float64{"hr10": math.NaN(), "loss": math.Inf(1)}
	m.Files = nil
	const want = `metrics.hr10 "NaN": is not a finite number
metrics.loss "+Inf": is not a finite number
files "": is empty`
	if err := m.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestDecodeManifest_writesTheSameBytesAgain(t *testing.T) {
	doc := bytes.Replace(goodManifest(t), []byte(`{"dim": 64`), []byte(`{ "text": "<&>", "dim" : 64`), 1)
	var last []byte
	for range 3 {
		m, err := DecodeManifest(doc)
		if err != nil {
			t.Fatal(err)
		}
		if doc, err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
		if last != nil && !bytes.Equal(last, doc) {
			t.Errorf("%s\nbecame\n%s", last, doc)
		}
		last = doc
	}
}

func FuzzDecodeManifest(f *testing.F) {
	f.Add(goodManifest(f))
	f.Add([]byte(`{"schema":1,"version":"v","learner":"l","config":null,"created_at":"2026-11-23T12:00:00+23:59","files":[{"name":"a","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := DecodeManifest(b)
		if err != nil {
			var field *FieldError
			if !errors.As(err, &field) {
				t.Fatalf("%q: %v names no field", b, err)
			}
			return
		}
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", b, err)
		}
		second, err := DecodeManifest(written)
		if err != nil {
			t.Fatalf("%q was read, its copy %q not: %v", b, written, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	})
}
