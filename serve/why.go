package serve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// why says in words what made an item's score: the part that led it, then every part's share, the largest first.
func why(sc ranker.Scored) []string {
	out := []string{sourceWords(sc.Source)}
	parts := slices.SortedFunc(maps.Keys(sc.Parts), func(a, b string) int {
		return cmp.Or(cmp.Compare(sc.Parts[b], sc.Parts[a]), cmp.Compare(a, b))
	})
	for _, p := range parts {
		switch v := finite(sc.Parts[p]); {
		case v > 0:
			out = append(out, fmt.Sprintf("%s adds %.3g: %s", p, v, sourceWords(schema.Source(p))))
		case v < 0:
			out = append(out, fmt.Sprintf("%s takes off %.3g", p, -v))
		}
	}
	return out
}

// sourceWords says what a source stands for.
func sourceWords(s schema.Source) string {
	switch s {
	case schema.SourceModel:
		return "fits the whole sequence of what the user did"
	case schema.SourceText:
		return "its title is near those of what the user did"
	case schema.SourceSimilar:
		return "often goes with or follows what the user did last"
	case schema.SourceRepeat:
		return "the user did it before"
	case schema.SourcePopular:
		return "is popular of late"
	case schema.SourceCatalog:
		return "is one of the newest items; nothing better is known"
	case schema.SourcePinned:
		return "was put at this place"
	default:
		return string(s)
	}
}
