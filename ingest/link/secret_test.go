package link

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecret_neverShows(t *testing.T) {
	const word = "opensesame"
	in := struct{ Password Secret }{word}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "value", in.Password, "struct", in)
	js, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ya, err := yaml.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if out := fmt.Sprintf(verb, in); strings.Contains(out, word) || strings.Contains(out, fmt.Sprintf("%x", word)) {
			t.Errorf("%s shows it: %s", verb, out)
		}
	}
	for _, out := range []string{log.String(), string(js), string(ya)} {
		if strings.Contains(out, word) || !strings.Contains(out, hidden) {
			t.Errorf("shown or not marked: %s", out)
		}
	}
	if in.Password.Reveal() != word || Secret("").String() != "" {
		t.Error("Reveal or the empty secret is wrong")
	}
}
