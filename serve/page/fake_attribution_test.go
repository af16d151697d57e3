package page_test

import (
	"encoding/json"
	"net/http"
)

// attribution is two arms of a small experiment and a shadow.
func (f *fake) attribution(w http.ResponseWriter, _ *http.Request) {
	type m = map[string]any
	share := func(rate, low, high float64, of int) m { return m{"rate": rate, "low": low, "high": high, "of": of} }
	body := m{"experiment": []m{}, "arms": []m{}, "sources": []m{}}
	if !f.blank {
		body["experiment"] = []m{
			{"name": "control", "share": 0.5, "shadow": false}, {"name": "diverse", "share": 0.5, "shadow": false, "degraded": "arm diverse is answered by the live model"},
			{"name": "next", "share": 0.1, "shadow": true},
		}
		arm := func(name string, shadow bool, answers, clicked int) m {
			return m{
				"arm": name, "model_version": version(6), "shadow": shadow, "answers": answers, "clicked": clicked, "scored": 200, "ndcg10": 0.123,
				"ctr": share(0.25, 0.2, 0.31, answers), "conversion": share(0.02, 0.01, 0.04, answers), "hr10": share(0.21, 0.16, 0.27, 200),
			}
		}
		body["arms"] = []m{arm("control", false, 400, 100), arm("diverse", false, 380, 95), arm("next", true, 0, 0)}
		body["sources"] = []m{
			{"arm": "control", "model_version": version(6), "source": "model", "shown": 3000, "ctr": share(0.03, 0.025, 0.036, 3000), "conversion": share(0.002, 0.001, 0.004, 3000)},
			{"arm": "control", "model_version": version(6), "source": "popular", "shown": 1000, "ctr": share(0.01, 0.005, 0.018, 1000), "conversion": share(0, 0, 0.004, 1000)},
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the page may be gone
}
