package trainer

import (
	"fmt"

	"github.com/softrec/softrec/trainer/eval"
)

// claim is what a candidate has to show, and so what the gate's test takes for granted until it is refuted.
//
// Newer counts under the same network are wanted even when nobody can tell that they are better: what was popular an hour
// ago grows old by itself. The hypothesis is that they are no worse than the live model (by more than the margin), and
// they are refused when it is rejected. So gate_alpha is the share of refused ones among those that are no worse; how bad
// a model has to be to be refused is a question of power, which the reason of every verdict answers.
//
// A newly tuned network replaces what took many rounds to prove itself, and its training can go wrong. The hypothesis is
// that it is no better than the live model, and it passes when that is rejected: gate_alpha is the share that pass among
// those that are no better. One that is refused is trained on by the next round where it is the better start (see
// rounds.choose), so a real advantage adds up until it shows.
type claim int

const (
	noWorse claim = iota // passes unless significantly worse
	better               // passes if significantly better
)

// decision is the verdict of a paired test.
type decision struct {
	Promote bool
	Reason  string
}

// power is the one with which the smallest difference is stated that a test would have found.
const power = 0.8

// decide compares a candidate with the live model line by line on what neither has seen: the guard first, then the paired
// test of NDCG@10 by user.
func decide(cfg Config, c claim, users []string, live, candidate answers) decision {
	if why := guard(cfg, &live.lists, &candidate.lists); why != "" {
		return decision{Reason: why}
	}
	if n := len(candidate.ranks); n < cfg.GateMinimum {
		return decision{Reason: fmt.Sprintf("only %d held-out interactions, at least %d decide", n, cfg.GateMinimum)}
	}
	return paired(cfg, c, users, gains(live.ranks), gains(candidate.ranks))
}

// paired tests the claim on the NDCG@10 of every line.
func paired[U comparable](cfg Config, c claim, users []U, live, candidate []float64) decision {
	d, err := eval.Cluster(users, live, candidate)
	if err != nil {
		return decision{Reason: fmt.Sprintf("candidate and live model cannot be compared: %v", err)}
	}
	if d.Users < cfg.GateUsers {
		return decision{Reason: fmt.Sprintf("the %d interactions are of only %d users, at least %d decide", d.Cases, d.Users, cfg.GateUsers)}
	}
	found := fmt.Sprintf("NDCG@10 %.4f against %.4f: %+.5f (s.e. %.5f by user, %d interactions of %d users", d.New, d.Old, d.Mean, d.SE, d.Cases, d.Users)
	if c == better {
		p := d.PAbove(0)
		return decision{Promote: p <= cfg.GateAlpha, Reason: fmt.Sprintf("%s; %s, p %.3f for no better; %.5f would show in %.0f %% of such tests)",
			found, says(p <= cfg.GateAlpha, "significantly better", "not significantly better"), p, d.Detectable(cfg.GateAlpha, power), 100*power)}
	}
	p := d.PBelow(-cfg.GateMargin * d.Old)
	return decision{Promote: p >= cfg.GateAlpha, Reason: fmt.Sprintf("%s; %s, p %.3f for no worse; %.5f less would show in %.0f %% of such tests)",
		found, says(p >= cfg.GateAlpha, "not significantly worse", "significantly worse"), p, d.Detectable(cfg.GateAlpha, power)+cfg.GateMargin*d.Old, 100*power)}
}

func says(yes bool, then, otherwise string) string {
	if yes {
		return then
	}
	return otherwise
}

// gains turns ranks into NDCG@10 per line.
func gains(ranks []float64) []float64 {
	out := make([]float64, len(ranks))
	for i, r := range ranks {
		out[i] = eval.NDCG(r, cutoff)
	}
	return out
}
