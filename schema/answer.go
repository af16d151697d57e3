package schema

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Source says which part of softrec put an item into an answer.
type Source string

// The sources an answer names. A source is the part that contributed most to the item's final score.
const (
	SourceModel   Source = "model"   // the sequence model
	SourceText    Source = "text"    // the language model: the item's title is near what the user did last
	SourceSimilar Source = "similar" // transitions from what the user did last
	SourceRepeat  Source = "repeat"  // the user did it before
	SourcePopular Source = "popular" // popularity with decay
	SourceCatalog Source = "catalog" // nothing is known yet: the newest items of the catalogue
	SourcePinned  Source = "pinned"  // the request or its placement put it there
)

// TextState says what the language model had to do with an answer.
type TextState string

// The states of an answer's text part.
const (
	TextReady   TextState = "ready"   // its scores are in the answer
	TextPending TextState = "pending" // the answer budget did not allow it: the next request finds its scores
	TextNone    TextState = "none"    // it has nothing to say: no item of the window has a title, or it failed
)

// AnswerItem is one recommended item.
type AnswerItem struct {
	ID     string             `json:"id"`
	Title  string             `json:"title,omitempty"`
	Score  float64            `json:"score"`
	Source Source             `json:"source"`
	Parts  map[string]float64 `json:"parts,omitempty"` // score by part, on request
	Why    []string           `json:"why,omitempty"`   // the same in words, and what the rules did

	Propensity float64 `json:"propensity,omitempty"` // with exploration: the probability of this item at this place, given those above
}

// Answer is the result of a recommendation request.
type Answer struct {
	RecommendationID string       `json:"recommendation_id"`
	ModelVersion     string       `json:"model_version"` // empty before the first model
	Arm              string       `json:"arm,omitempty"` // of the user, empty where no arms are configured
	WindowOffset     int64        `json:"window_offset"` // version of the window the answer was computed from; 0 without one
	TookMS           float64      `json:"took_ms"`
	Degraded         string       `json:"degraded,omitempty"` // why the answer is less than it should be, empty normally
	Text             TextState    `json:"text,omitempty"`     // what the language model had to do with it, empty where none serves
	Items            []AnswerItem `json:"items"`
	Next             string       `json:"next,omitempty"` // of a paged list: what to send as after for its next page; empty at the end
}

// Sources returns every source an answer may name.
func Sources() []Source {
	return []Source{SourceModel, SourceText, SourceSimilar, SourceRepeat, SourcePopular, SourceCatalog, SourcePinned}
}

// DecodeAnswer reads and validates an answer: what a client does with the body of a recommendation request.
func DecodeAnswer(b []byte) (Answer, error) {
	var a Answer
	if err := decodeObject("answer", b, &a); err != nil {
		return Answer{}, err
	}
	if err := a.Validate(); err != nil {
		return Answer{}, err
	}
	return a, nil
}

// Validate reports every fault of a, each as a *FieldError, joined. No item may stand in it twice.
func (a Answer) Validate() error {
	errs := []error{checkID("recommendation_id", a.RecommendationID), checkText("model_version", a.ModelVersion, MaxIDLen), checkText("arm", a.Arm, MaxIDLen)}
	if a.WindowOffset < 0 {
		errs = append(errs, fieldError("window_offset", strconv.FormatInt(a.WindowOffset, 10), "is negative"))
	}
	if !slices.Contains([]TextState{"", TextReady, TextPending, TextNone}, a.Text) {
		errs = append(errs, fieldError("text", string(a.Text), "is not a state of the text part"))
	}
	if len(a.Items) > MaxAnswerItems {
		errs = append(errs, fieldError("items", strconv.Itoa(len(a.Items)), "has too many entries, at most %d are allowed", MaxAnswerItems))
	}
	seen := make(map[string]bool, len(a.Items))
	for i, it := range a.Items {
		field := fmt.Sprintf("items[%d].", i)
		errs = append(errs, checkID(field+"id", it.ID))
		if seen[it.ID] {
			errs = append(errs, fieldError(field+"id", it.ID, "stands in the answer twice"))
		}
		seen[it.ID] = true
		if !slices.Contains(Sources(), it.Source) {
			errs = append(errs, fieldError(field+"source", string(it.Source), "is not a source"))
		}
		if math.IsNaN(it.Score) || math.IsInf(it.Score, 0) {
			errs = append(errs, fieldError(field+"score", strconv.FormatFloat(it.Score, 'g', -1, 64), "is not a finite number"))
		}
		if math.IsNaN(it.Propensity) || it.Propensity < 0 || it.Propensity > 1 {
			errs = append(errs, fieldError(field+"propensity", strconv.FormatFloat(it.Propensity, 'g', -1, 64), "is no probability"))
		}
	}
	return errors.Join(errs...)
}
