package evaluation

import "github.com/softrec/softrec/trainer/eval"

// Cut is the length of the lists that are judged, the 10 of HR@10.
const Cut = 10

// Scores are means over Events cases, each 0 to 1; all are 0 where Events is.
type Scores struct {
	Events int     `json:"events"`
	HR10   float64 `json:"hr10"`   // share of the cases whose target is among the first ten
	NDCG10 float64 `json:"ndcg10"` // mean of 1/log2(rank+1), 0 beyond the tenth
	MRR10  float64 `json:"mrr10"`  // mean of 1/rank, 0 beyond the tenth
}

// Group is a set of cases whose scores stand apart from those of all.
type Group string

// The groups. First-time and repeat share all cases between them, the others cut across.
const (
	All       Group = "all"
	FirstTime Group = "first_time" // the user never had the item before
	Repeat    Group = "repeat"     // the user had the item before
	NewUsers  Group = "new_users"  // the user has no history yet
	ColdItems Group = "cold_items" // the item has fewer than ColdBelow events yet
)

// ColdBelow is the number of earlier events from which on an item is no longer cold.
const ColdBelow = 5

// Groups returns all groups, the widest first.
func Groups() []Group { return []Group{All, FirstTime, Repeat, NewUsers, ColdItems} }

// Case says of one case which groups it is in.
type Case struct {
	User    int32 // whose case: comparisons resample whole users
	Repeat  bool
	NewUser bool
	Cold    bool
}

// In reports whether the case belongs to g.
func (c Case) In(g Group) bool {
	switch g {
	case All:
		return true
	case FirstTime:
		return !c.Repeat
	case Repeat:
		return c.Repeat
	case NewUsers:
		return c.NewUser
	case ColdItems:
		return c.Cold
	default:
		return false
	}
}

// Score is the mean over the ranks for which in says so; nil takes all. Ranks count from 1, half ranks are ties, infinity
// is a miss.
func Score(ranks []float32, in func(i int) bool) Scores {
	t := eval.NewTally(Cut)
	for i, r := range ranks {
		if in == nil || in(i) {
			t.Add(float64(r))
		}
	}
	m := t.Metrics()
	return Scores{Events: m.Count, HR10: m.HR, NDCG10: m.NDCG, MRR10: m.MRR}
}
