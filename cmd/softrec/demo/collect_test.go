package demo

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/schema"
)

// The trainer's scores with the language model and without stand in the summary where there are some, and are told in a line.
func TestReadPrequential_withALanguageModel(t *testing.T) {
	servers, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = servers.Close() })
	rdb := redis.NewClient(&redis.Options{Addr: servers.RedisAddr()})
	t.Cleanup(func() { _ = rdb.Close() })
	keys := schema.NewKeys(schema.DefaultPrefix)
	for answered, want := range map[int]string{
		0:  "",
		40: "prequential HR@10 with the language model's scores over 40 events: 0.3000, without them 0.2500\n",
	} {
		doc, err := json.Marshal(schema.Prequential{Events: 100, Scores: map[string]schema.Scores{
			"model": {Count: 100, HR10: 0.2}, "with_text": {Count: answered, HR10: 0.3}, "without_text": {Count: answered, HR10: 0.25},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := rdb.Set(t.Context(), keys.Prequential(), doc, 0).Err(); err != nil {
			t.Fatal(err)
		}
		p, err := readPrequential(t.Context(), rdb, keys)
		if err != nil || p.HR10 != 0.2 || (p.Text != nil) != (want != "") {
			t.Errorf("%d answered: %+v, %v", answered, p, err)
		}
		var out strings.Builder
		(&show{opts: Options{Out: &out}}).tell(Summary{Prequential: p})
		if want != "" && !strings.Contains(out.String(), want) || want == "" && strings.Contains(out.String(), "language model") {
			t.Errorf("%d answered: it said\n%s", answered, out.String())
		}
	}
}
