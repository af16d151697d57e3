package ranker

import (
	"time"

	"github.com/softrec/softrec/schema"
)

// Request asks for the items a user is most likely to want next.
type Request struct {
	History        []schema.Interaction   // the user's window as it is now, oldest first
	Now            time.Time              // when the answer is for; zero: the time of the newest interaction
	N              int                    // items wanted
	Allow          func(item string) bool // nil: all; asked at most once per item, before any cut, so that N is filled
	ExcludeHistory bool                   // leave out what is in the window
	Explain        bool                   // fill Parts
	Text           *Text                  // what a language model says about the history, nil for nothing; see Bundle.ReadsText
}

// Scored is one item of an answer.
type Scored struct {
	Item   string
	Index  int32              // in the bundle's vocabulary; 0 for an item of the text that is not in it
	Score  float64            // by the mixer; compares within one answer only
	Source schema.Source      // the part that contributed most to the score
	Parts  map[string]float64 // by source, with Explain: the score less the score with that part's columns at their mean
}
