package schema

// Source says which part of softrec put an item into an answer.
type Source string

// The sources an answer names. A source is the part that contributed most to the item's final score.
const (
	SourceModel   Source = "model"   // the sequence model
	SourceSimilar Source = "similar" // transitions from what the user did last
	SourceRepeat  Source = "repeat"  // the user did it before
	SourcePopular Source = "popular" // popularity with decay
	SourceCatalog Source = "catalog" // nothing is known yet: the newest items of the catalogue
)

// AnswerItem is one recommended item.
type AnswerItem struct {
	ID     string             `json:"id"`
	Title  string             `json:"title,omitempty"`
	Score  float64            `json:"score"`
	Source Source             `json:"source"`
	Parts  map[string]float64 `json:"parts,omitempty"` // score by part, on request
}

// Answer is the result of a recommendation request.
type Answer struct {
	RecommendationID string       `json:"recommendation_id"`
	ModelVersion     string       `json:"model_version"` // empty before the first model
	WindowOffset     int64        `json:"window_offset"` // version of the window the answer was computed from; 0 without one
	TookMS           float64      `json:"took_ms"`
	Degraded         string       `json:"degraded,omitempty"` // why the answer is less than it should be, empty normally
	Items            []AnswerItem `json:"items"`
}
