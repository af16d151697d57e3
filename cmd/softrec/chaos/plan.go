package chaos

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Kinds of faults. Their names stand in the result.
const (
	killIngest     = "kill ingest"
	killTrainer    = "kill trainer"
	killPublishing = "kill trainer while it publishes"
	killServe      = "kill serve"
	killRedis      = "kill redis"
	killKafka      = "kill kafka"
	pauseIngest    = "pause ingest"
	pauseServe     = "pause serve"
	pauseServers   = "pause the embedded pair"
	pauseRedis     = "pause redis"
	pauseKafka     = "pause kafka"
	rebalance      = "rebalance"
)

// fault is one attack of a plan.
type fault struct {
	kind  string
	after int           // events sent before it
	which int           // of several parts of a kind
	hold  time.Duration // until what was killed is started again, or what was paused goes on
}

// share says how often a kind is drawn beside the others.
type share struct {
	kind   string
	weight int
}

// plan draws the attacks of a run: the same seed, the same plan. They lie in the first nine tenths of the events, one in each of
// as many equal parts, so that none waits for another for long.
func plan(o Options, servers servers) []fault {
	rng := rand.New(rand.NewPCG(o.Seed, 7))
	kills := []share{{killIngest, 10}, {killTrainer, 2}, {killPublishing, 2}, {killServe, 3}}
	pauses := []share{{pauseIngest, 3}, {pauseServe, 1}}
	if servers.redis != nil && servers.kafka != nil {
		kills = append(kills, share{killRedis, 3}, share{killKafka, 2})
		pauses = append(pauses, share{pauseRedis, 1}, share{pauseKafka, 1})
	}
	if servers.pair != nil {
		pauses = append(pauses, share{pauseServers, 1})
	}
	var faults []fault
	add := func(n int, kinds []share, longest time.Duration) {
		for i := range n {
			kind := kinds[i%len(kinds)].kind // each kind once, then by weight
			if i >= len(kinds) {
				kind = draw(rng, kinds)
			}
			faults = append(faults, fault{kind: kind, which: rng.IntN(2), hold: time.Duration(rng.Int64N(int64(longest)))})
		}
	}
	add(o.Kills, kills, 1500*time.Millisecond)
	add((o.Kills+4)/5, pauses, 2*o.Session) // some longer than a session: the group takes the process for dead
	add((o.Kills+9)/10, []share{{rebalance, 1}}, 4*time.Second)
	rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	part := float64(o.Events) * 0.9 / float64(max(1, len(faults)))
	for i := range faults {
		faults[i].after = int(part * (float64(i) + rng.Float64()))
	}
	slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.after, b.after) })
	return faults
}

func draw(rng *rand.Rand, kinds []share) string {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	n := rng.IntN(total)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			return k.kind
		}
	}
	return kinds[0].kind
}

// kills reports whether a fault of the kind is a kill -9.
func kills(kind string) bool {
	return slices.Contains([]string{killIngest, killTrainer, killPublishing, killServe, killRedis, killKafka}, kind)
}
