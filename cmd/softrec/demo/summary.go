package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/softrec/softrec/schema"
)

// Summary is what a demo measured; its JSON form is a contract.
type Summary struct {
	EventsIngested int64       `json:"events_ingested"`
	Windows        int64       `json:"windows"`
	DeadLetters    int64       `json:"deadletters"`
	Rounds         []Round     `json:"rounds"`
	Prequential    Prequential `json:"prequential"`
	ClickToAnswer  Clicks      `json:"click_to_answer_ms"`         // from POST to the answer that knows of it
	ClickToText    *Clicks     `json:"click_to_text_ms,omitempty"` // until the answer has the language model's scores; absent without one
	Requests       Requests    `json:"requests"`
	Sample         Sample      `json:"sample"`
	FirstModelAt   float64     `json:"first_model_seconds"` // from the start to the first answer of a model; 0 when there was none
	Seconds        float64     `json:"seconds"`             // from the start to the last measurement
	ModelVersion   string      `json:"model_version"`       // live at the end
}

// Round is one round of the trainer.
type Round struct {
	Round        int       `json:"round"`
	Lambda       []float64 `json:"lambda"`   // by epoch
	Distance     []float64 `json:"distance"` // by epoch
	Verdict      string    `json:"verdict"`
	Reason       string    `json:"reason"`
	ModelVersion string    `json:"model_version"`
	Started      time.Time `json:"started"`
	Seconds      float64   `json:"seconds"`
}

// Prequential is the running test-then-train score.
type Prequential struct {
	Events          int64   `json:"events"`
	HR10            float64 `json:"hr10"`
	NDCG10          float64 `json:"ndcg10"`
	PopularityHR10  float64 `json:"popularity_hr10"`
	TransitionsHR10 float64 `json:"transitions_hr10"`

	Text *TextScores `json:"text,omitempty"` // of the baskets that the language model answered; absent without one
}

// TextScores compare the live model's answers with the language model's scores in them and without.
type TextScores struct {
	Events      int64   `json:"events"`
	HR10        float64 `json:"hr10"`
	WithoutHR10 float64 `json:"without_hr10"`
}

// Clicks is what a number of times come to, in milliseconds.
type Clicks struct {
	P50    float64 `json:"p50"`
	P99    float64 `json:"p99"`
	Count  int64   `json:"count"`
	Failed int64   `json:"failed"`
}

// Requests are the recommendation requests of the prober.
type Requests struct {
	Count  int64   `json:"count"`
	Failed int64   `json:"failed"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Served int64   `json:"served"` // answers that held items
	Models int64   `json:"models"` // answers computed by a model
	Error  string  `json:"last_error,omitempty"`

	TextReady     int64   `json:"text_ready,omitempty"`      // answers with the language model's scores
	TextPending   int64   `json:"text_pending,omitempty"`    // answers given before it had read the window
	TextReadyMS   *Clicks `json:"text_ready_ms,omitempty"`   // times of the former; absent without one
	TextPendingMS *Clicks `json:"text_pending_ms,omitempty"` // times of the latter; absent without one
	ChangedMS     *Clicks `json:"changed_ms,omitempty"`      // times of first requests that knew of a click and had the language model's scores, read meanwhile; absent without one
	UnchangedMS   *Clicks `json:"unchanged_ms,omitempty"`    // times of requests once more, after an answer with the language model's scores to a click; absent without one
}

// Sample is one user's answer.
type Sample struct {
	User        string              `json:"user"`
	Window      []string            `json:"window"` // titles, newest last
	Recommended []SampleRecommended `json:"recommended"`
}

// SampleRecommended is one recommended item.
type SampleRecommended struct {
	Title  string        `json:"title"`
	Source schema.Source `json:"source"`
}

// Write stores s at path.
func (s Summary) Write(path string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode summary: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

// ReadSummary reads what Write wrote.
func ReadSummary(path string) (Summary, error) {
	var s Summary
	b, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("read summary: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("decode summary %s: %w", path, err)
	}
	return s, nil
}

// Served reports whether the demo did its main job at all.
func (s Summary) Served() error {
	var errs []error
	if s.Requests.Served == 0 {
		errs = append(errs, errors.New("no recommendations were served"))
	}
	if s.Requests.Models == 0 {
		errs = append(errs, errors.New("no answer came from a model"))
	}
	return errors.Join(errs...)
}
