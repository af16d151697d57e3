package schema

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// List says what an answer is about.
type List string

// The lists there are.
const (
	ListUser    List = "user"    // what next for a user
	ListSimilar List = "similar" // what goes with an item
	ListPopular List = "popular" // what is popular
	ListSession List = "session" // what next after some items, of nobody in particular
)

// DefaultArm is the arm of answers where no arms are configured, or whose list belongs to no user.
const DefaultArm = "live"

// Impression is one answer as it stands on the impressions topic (key = user id, or the recommendation id of a list that belongs
// to nobody): what was shown, by which arm and model, and how probable it was. Clicks are joined to it by RecommendationID.
type Impression struct {
	RecommendationID string    `json:"recommendation_id"` // a UUID of version 7: it holds the answer's time
	UserID           string    `json:"user_id,omitempty"` // empty for a list that belongs to nobody
	List             List      `json:"list"`
	Arm              string    `json:"arm"`
	ModelVersion     string    `json:"model_version"`    // empty before the first model
	Shadow           bool      `json:"shadow,omitempty"` // the arm's list for this answer, computed but not shown
	At               time.Time `json:"at"`               // of the answer, UTC, whole milliseconds
	Items            []Shown   `json:"items"`            // in the order of their places
}

// Shown is one item of an impression.
type Shown struct {
	ID         string  `json:"id"`
	Source     Source  `json:"source"`
	Propensity float64 `json:"propensity,omitempty"` // probability of this item at this place, given those above; absent without exploration
}

// DecodeImpression reads and validates one JSON impression. Unknown fields are kept out. The error is a *FieldError, or several
// joined.
func DecodeImpression(b []byte) (Impression, error) {
	var im Impression
	if err := decodeObject("impression", b, &im); err != nil {
		return Impression{}, err
	}
	im.At = im.At.UTC().Truncate(time.Millisecond)
	if err := im.Validate(); err != nil {
		return Impression{}, err
	}
	return im, nil
}

// Validate reports every fault of im, each as a *FieldError, joined.
func (im Impression) Validate() error {
	errs := []error{
		checkID("recommendation_id", im.RecommendationID),
		checkText("user_id", im.UserID, MaxIDLen),
		checkID("arm", im.Arm),
		checkText("model_version", im.ModelVersion, MaxIDLen),
	}
	if !slices.Contains([]List{ListUser, ListSimilar, ListPopular, ListSession}, im.List) {
		errs = append(errs, fieldError("list", string(im.List), "is not a list"))
	}
	if ms := im.At.UnixMilli(); im.At.IsZero() || ms < 0 || ms > maxUnixMilli {
		errs = append(errs, fieldError("at", im.At.String(), "is required, between 1970 and %d ms", int64(maxUnixMilli)))
	}
	if len(im.Items) > MaxAnswerItems {
		errs = append(errs, fieldError("items", strconv.Itoa(len(im.Items)), "has too many entries, at most %d are allowed", MaxAnswerItems))
	}
	for i, it := range im.Items {
		field := fmt.Sprintf("items[%d].", i)
		errs = append(errs, checkID(field+"id", it.ID))
		if !slices.Contains(Sources(), it.Source) {
			errs = append(errs, fieldError(field+"source", string(it.Source), "is not a source"))
		}
		if math.IsNaN(it.Propensity) || it.Propensity < 0 || it.Propensity > 1 {
			errs = append(errs, fieldError(field+"propensity", strconv.FormatFloat(it.Propensity, 'g', -1, 64), "is no probability"))
		}
	}
	return errors.Join(errs...)
}
