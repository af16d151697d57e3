package counts

import "math"

// Repeat is what one user's window says about one item in it.
type Repeat struct {
	Item    int32
	Times   int32      // interactions with it
	Baskets int32      // baskets it is in
	Last    int64      // newest interaction, Unix ms
	Rank    int32      // distinct items whose newest interaction is newer (later in the window), 0 = the newest
	Lag     int32      // baskets since its newest one, 0 = the last basket
	Recent  float32    // sum over its baskets of 0.8^lag
	Begun   int64      // oldest interaction, Unix ms
	Faded   [3]float32 // interactions, fading with half-lives of 14, 60 and 180 days
	oldest  int32      // lag of the oldest basket counted so far
}

// Repeats lists the distinct items of a window, newest first. history and times (Unix ms) run in parallel, newest last;
// entries with an equal time are one basket. now (Unix ms) is what Faded is read at. Entries below 1 are left out, though they count as interactions of their
// basket. The list is appended to dst[:0]; index must be a Sparse of the caller's, used as scratch and left empty.
func Repeats(history []int32, times []int64, now int64, dst []Repeat, index *Sparse) []Repeat {
	dst = dst[:0]
	top := int32(0)
	for _, item := range history {
		top = max(top, item)
	}
	index.Reset(int(top) + 1)
	lag := int32(-1)
	weight := float32(1.25)
	var faded [3]float32
	for i := len(history) - 1; i >= 0; i-- {
		if i == len(history)-1 || times[i] != times[i+1] {
			lag++
			weight *= 0.8
			faded = fadedAt(now - times[i])
		}
		item := history[i]
		if item < 1 {
			continue
		}
		at := int(index.Values[item]) - 1
		if at < 0 {
			at = len(dst)
			index.Values[item] = float32(at + 1)
			index.Touched = append(index.Touched, item)
			dst = append(dst, Repeat{Item: item, Last: times[i], Rank: int32(at), Lag: lag, Times: 1, Baskets: 1, Recent: weight, Begun: times[i], Faded: faded, oldest: lag})
			continue
		}
		r := &dst[at]
		r.Times++
		r.Begun = times[i]
		for k, v := range faded {
			r.Faded[k] += v
		}
		if r.oldest != lag {
			r.oldest = lag
			r.Baskets++
			r.Recent += weight
		}
	}
	index.Reset(0)
	return dst
}

// fadedDays are the half-lives of Repeat.Faded.
var fadedDays = [3]float64{14, 60, 180}

// fadedAt is what an interaction that lies ms back weighs.
func fadedAt(ms int64) (w [3]float32) {
	days := float64(max(ms, 0)) / (24 * 60 * 60 * 1000)
	for k, half := range fadedDays {
		w[k] = float32(math.Exp2(-days / half))
	}
	return w
}
