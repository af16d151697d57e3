package evaluation

import (
	"maps"
	"slices"
)

// Names of the models, in the order in which they are shown: simple ones first, then what learns.
const (
	Popularity        = "popularity"
	DecayedPopularity = "decayed-popularity"
	Repeats           = "repeats"
	Transitions       = "transitions"
	Counts            = "counts"   // the ranker of counts alone: no network and no language model
	Sequence          = "sequence" // the network alone
	Text              = "text"     // the language model alone, refreshed by SOFT
	TextSFT           = "text-sft" // the language model alone, refreshed by plain fine-tuning
	Frozen            = "frozen"   // the ranker, stopped after the warm-up
	SFT               = "sft"      // the ranker, refreshed by plain fine-tuning
	SOFT              = "soft"     // the ranker, refreshed by SOFT: the same run as Ranker
	Ranker            = "ranker"   // the full ranker
)

// Names returns every model there is.
func Names() []string {
	return []string{Popularity, DecayedPopularity, Repeats, Transitions, Counts, Sequence, Text, TextSFT, Frozen, SFT, SOFT, Ranker}
}

// TextAlone reports whether a model is a language model and nothing else.
func TextAlone(name string) bool { return name == Text || name == TextSFT }

// Result is result.json: what one evaluation says.
type Result struct {
	Protocol    string            `json:"protocol"`                 // "stream" or "offline"
	Mode        string            `json:"mode,omitempty"`           // of a stream: "synchronous" or "delayed"
	Settings    string            `json:"settings"`                 // digest of everything that decides over the figures
	Learner     string            `json:"learner,omitempty"`        // what the ranker's rounds tuned; empty where no model learnt by rounds
	Language    string            `json:"language_model,omitempty"` // folder of the language model, without the way to it, or hf:owner/name; empty where none was read
	Data        Data              `json:"data"`
	Models      map[string]*Model `json:"models"` // by name
	Events      int               `json:"events"` // scored cases
	Seconds     float64           `json:"seconds"`
	Comparisons []Comparison      `json:"comparisons,omitempty"`
	Notes       []string          `json:"notes,omitempty"` // what one must know to read the figures
}

// Data says what was asked of the models.
type Data struct {
	Interactions string  `json:"interactions"` // name of the log's file
	Lines        int     `json:"lines"`        // of the log, or as many as were taken
	Users        int     `json:"users"`
	Items        int     `json:"items"`
	Baskets      int     `json:"baskets,omitempty"`
	Questions    int     `json:"questions,omitempty"` // baskets asked about: one answer each
	Warmup       float64 `json:"warmup,omitempty"`    // share of the lines that were learnt and not scored
	FilterSeen   bool    `json:"filter_seen"`
	Synthetic    bool    `json:"synthetic_clock"` // the log has no timestamps
	UnseenShare  float64 `json:"unseen_share"`    // share of the cases whose item nobody had before: misses for all
	Oracle       float64 `json:"oracle_hr10,omitempty"`
}

// Order returns the names of the result's models in the order of Names, others behind them by name.
func (r *Result) Order() []string {
	var out []string
	for _, n := range Names() {
		if r.Models[n] != nil {
			out = append(out, n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(r.Models)) {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// WithoutTimes returns a copy without what differs between two runs of the same settings: what is left is the same to the
// last bit.
func (r *Result) WithoutTimes() *Result {
	out := *r
	out.Seconds = 0
	out.Models = map[string]*Model{}
	for n, m := range r.Models {
		plain := *m
		plain.Times = Times{}
		out.Models[n] = &plain
	}
	return &out
}
