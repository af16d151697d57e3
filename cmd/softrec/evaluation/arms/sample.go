package arms

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/softrec/softrec/schema"
)

// Sample keeps a bounded number of impressions. When there are more it halves, by a hash of the answers' ids: an answer stays with its
// shadows, and what stays depends on neither arm nor outcome. It is not safe for concurrent use.
type Sample struct {
	most    int
	share   float64
	kept    []schema.Impression
	answers map[string]bool // ids of kept
}

// NewSample returns a Sample of at most that many impressions, shadows included.
func NewSample(most int) (*Sample, error) {
	if most < 1 {
		return nil, errors.New("a sample of no impressions")
	}
	return &Sample{most: most, share: 1, answers: map[string]bool{}}, nil
}

// Add takes an impression or passes it over.
func (s *Sample) Add(im schema.Impression) {
	if !s.drawn(im.RecommendationID) {
		return
	}
	s.kept, s.answers[im.RecommendationID] = append(s.kept, im), true
	for len(s.kept) > s.most {
		s.share /= 2
		s.kept = slices.DeleteFunc(s.kept, func(im schema.Impression) bool { return !s.drawn(im.RecommendationID) })
		for id := range s.answers {
			if !s.drawn(id) {
				delete(s.answers, id)
			}
		}
	}
}

// Has reports whether the answer of that id is kept.
func (s *Sample) Has(id string) bool { return s.answers[id] }

// Impressions are those kept.
func (s *Sample) Impressions() []schema.Impression { return s.kept }

// Share is the share of the answers that is kept, 1 where all are.
func (s *Sample) Share() float64 { return s.share }

func (s *Sample) drawn(id string) bool {
	if s.share >= 1 {
		return true
	}
	sum := sha256.Sum256([]byte("softrec eval arms\x00" + id))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11)/(1<<53) < s.share
}
