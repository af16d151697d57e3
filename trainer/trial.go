package trainer

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/eval"
)

// Kinds of trials, the values of schema.Trial.Kind.
const (
	trialShadow = "shadow" // a candidate beside the live model, before it may go live
	trialWatch  = "watch"  // the live model's predecessor beside it, after it went live
)

// trial compares two models on the stream, on the same interactions, each asked before either could learn them. It holds
// one line per interaction, never more than its horizon, and the one bundle that is not live; both go when it ends.
//
// Where its looks fall depends on the interactions alone, not on how they came in batches: what a trial says is a function
// of the offsets that were read. One that takes so long that its trainer would drown is given up, when that is seen.
type trial struct {
	kind    string
	live    *liveModel
	other   *liveModel // the candidate of a shadow, the predecessor of a watch
	horizon int        // interactions after which it ends
	claim   claim      // of a candidate
	cfg     Config

	users  []uint64  // of each interaction, as a hash: equality is all that is asked
	ranks  []float64 // by the live model
	beside []float64 // by the other one
	lists  lists     // of the live model
	others lists

	over    bool
	passed  bool // the candidate may go live; the live model may stay
	reason  string
	offsets map[int]int64 // next offset by partition when it ended
}

// looks is how often a watch is looked at. Its test may be looked at as often as one likes, and costs a pass over all lines.
const looks = 40

func newTrial(cfg Config, kind string, live, other *liveModel) *trial {
	t := &trial{kind: kind, live: live, other: other, horizon: cfg.RollbackEvents, cfg: cfg}
	if kind == trialShadow {
		t.horizon = cfg.ShadowEvents
	}
	return t
}

// userKey is what a trial keeps of a user.
func userKey(user string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(user))
	return h.Sum64()
}

// add takes the places of one interaction, and looks where it is time to. offsets are those that were read so far.
func (t *trial) add(user string, live, other float64, offsets map[int]int64) {
	if t.over {
		return
	}
	t.users = append(t.users, userKey(user))
	t.ranks, t.beside = append(t.ranks, live), append(t.beside, other)
	n := len(t.users)
	switch {
	case t.kind == trialShadow && n >= t.horizon:
		t.decideShadow()
	case t.kind == trialWatch && (n >= t.horizon || n%max(1, t.horizon/looks) == 0):
		t.lookBack()
	}
	if t.over {
		t.offsets = maps.Clone(offsets)
	}
}

// giveUp ends a trial that nothing has decided.
func (t *trial) giveUp(reason string, offsets map[int]int64) {
	t.over, t.passed, t.reason, t.offsets = true, false, reason, maps.Clone(offsets)
}

// decideShadow is the gate's test once more, on what came after the gate.
func (t *trial) decideShadow() {
	t.over = true
	if t.reason = guard(t.cfg, &t.lists, &t.others); t.reason != "" {
		return
	}
	d := paired(t.cfg, t.claim, t.users, gains(t.ranks), gains(t.beside))
	t.passed, t.reason = d.Promote, d.Reason
}

// lookBack asks whether the live model is significantly worse than the one before it, by a test that stands being asked
// again and again.
func (t *trial) lookBack() {
	n := len(t.users)
	t.over, t.passed = n >= t.horizon, true
	enough := n >= t.cfg.GateMinimum
	if why := t.lists.failing(t.cfg.GateFailures); enough && why != "" && t.others.failing(t.cfg.GateFailures) == "" {
		t.over, t.passed, t.reason = true, false, why
		return
	}
	c, err := eval.Cluster(t.users, gains(t.beside), gains(t.ranks))
	if err != nil || !enough || c.Users < t.cfg.GateUsers {
		t.reason = fmt.Sprintf("%d interactions decide nothing", n)
		return
	}
	test := eval.Sequential{Alpha: t.cfg.RollbackAlpha, Horizon: t.horizon}
	worse := test.Worse(c)
	t.reason = fmt.Sprintf("NDCG@10 %.4f against the predecessor's %.4f: %+.5f (s.e. %.5f by user, %d interactions of %d users); %s at %v over all looks",
		c.New, c.Old, c.Mean, c.SE, c.Cases, c.Users, says(worse, "significantly worse", "not significantly worse"), test.Alpha)
	if worse {
		t.over, t.passed = true, false
	}
}

// difference is the mean NDCG@10 of the newer model less the older one's, 0 for nothing seen.
func (t *trial) difference() float64 {
	live, other := tallyOf(t.ranks), tallyOf(t.beside)
	if t.kind == trialShadow {
		return other.NDCG10 - live.NDCG10
	}
	return live.NDCG10 - other.NDCG10
}

// record is what a round's record says about the trial.
func (t *trial) record() *schema.Trial {
	return &schema.Trial{Kind: t.kind, Live: t.live.Version, Other: t.other.Version, LiveScores: tallyOf(t.ranks), OtherScores: tallyOf(t.beside),
		Reason: t.reason, Offsets: textOffsets(t.offsets)}
}

// trialState is what a checkpoint holds of a trial; a nil one is of none. The models are in the snapshot store.
type trialState struct {
	Live, Other string
	Claim       int
	Record      schema.Round // of the round that made the newer model
	Users       []uint64
	Ranks       []float64
	Beside      []float64
	Lists       lists
	Others      lists
}

// state is the trial as it is now, independent of what follows; nil for none, and for one that has ended.
func (t *trial) state(rec schema.Round) *trialState {
	if t == nil || t.over {
		return nil
	}
	return &trialState{Live: t.live.Version, Other: t.other.Version, Claim: int(t.claim), Record: rec, Users: slices.Clone(t.users),
		Ranks: slices.Clone(t.ranks), Beside: slices.Clone(t.beside), Lists: t.lists.clone(), Others: t.others.clone()}
}

// resume is the inverse of state.
func (t *trial) resume(s *trialState) {
	t.claim = claim(s.Claim)
	n := min(len(s.Users), len(s.Ranks), len(s.Beside))
	t.users, t.ranks, t.beside, t.lists, t.others = s.Users[:n:n], s.Ranks[:n:n], s.Beside[:n:n], s.Lists, s.Others
}

// close lets the models go: answers to baskets that are still open may point at a trial long after its end.
func (t *trial) close() {
	if t != nil {
		t.over, t.live, t.other, t.users, t.ranks, t.beside, t.lists, t.others = true, nil, nil, nil, nil, nil, lists{}, lists{}
	}
}

func (l lists) clone() lists {
	l.Items = maps.Clone(l.Items)
	return l
}
