package serving

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/softrec/softrec/schema"
)

// steps is the length of a window, and so of every user's life in the shop.
const steps = 50

// crowd is how many users live at one time; the next ones follow them. The newest 50,000 profiles are what the counts keep.
const crowd = 10_000

// topic is how many items are about one thing.
const topic = 50

// shop draws the made-up log. A user repeats what it took, takes what goes with its last item, stays in the topic, or takes
// what is popular: about one in seven, two in five, one in five, and the rest.
type shop struct {
	items, users int
	seed         uint64
	begin        time.Time
	harmonic     float64 // of the items: popularity is about 1 / (place + 10)
}

func newShop(o Options, now time.Time) shop {
	s := shop{items: o.Items, users: o.Users, seed: o.Seed}
	s.harmonic = math.Log(float64(s.items+10) / 10)
	s.begin = now.Add(-time.Duration(s.crowds())*stay - time.Minute).Truncate(time.Second)
	return s
}

// stay is how long one crowd is in the shop.
const stay = 48 * time.Hour

func (s shop) crowds() int { return (s.users + crowd - 1) / crowd }

func itemID(i int) string { return fmt.Sprintf("item-%07d", i) }
func userID(u int) string { return fmt.Sprintf("user-%07d", u) }

func title(i int) string {
	return fmt.Sprintf("Article %d of line%d in colour%d size%d", i, i/topic, i%37, i%7)
}

// popular draws an item by popularity.
func (s shop) popular(rng *rand.Rand) int {
	place := int(10*math.Exp(rng.Float64()*s.harmonic)) - 10
	return int(uint64(min(place, s.items-1)) * 2654435761 % uint64(s.items)) // popular items are spread over the topics
}

// next draws what follows the items a user took.
func (s shop) next(rng *rand.Rand, taken []int32) int32 {
	if len(taken) == 0 {
		return int32(s.popular(rng))
	}
	last := int(taken[len(taken)-1])
	switch p := rng.Float64(); {
	case p < 0.15:
		return taken[rng.IntN(len(taken))]
	case p < 0.55:
		return int32((last + 1 + rng.IntN(4)*7) % s.items)
	case p < 0.75:
		return int32((last/topic*topic + rng.IntN(topic)) % s.items)
	default:
		return int32(s.popular(rng))
	}
}

// life is what one user took, oldest first, and when. It is the same at every call.
func (s shop) life(u int, items []int32, times []time.Time) ([]int32, []time.Time) {
	rng := rand.New(rand.NewPCG(s.seed, uint64(u)))
	items, times = items[:0], times[:0]
	start := s.begin.Add(time.Duration(u/crowd) * stay)
	pause := stay / steps
	for k := range steps {
		items = append(items, s.next(rng, items))
		times = append(times, start.Add(time.Duration(k)*pause+time.Duration(rng.Int64N(int64(pause)))).Truncate(time.Millisecond))
	}
	return items, times
}

// item is what the catalogue says of the i-th one.
func (s shop) item(i int) schema.Item {
	return schema.Item{ID: itemID(i), Title: title(i), Categories: []string{fmt.Sprintf("line%d", i/topic)}}
}
