package page_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/softrec/softrec/schema"
)

// start is the clock of the canned records. They are history, so a fixed day serves.
var start = time.Date(2011, 11, 30, 9, 12, 0, 0, time.UTC)

// titles are items of the UCI Online Retail set (D. Chen, S. L. Sain, K. Guo, 2012; CC BY 4.0), the log the demo replays.
var titles = [][2]string{
	{"85123A", "WHITE HANGING HEART T-LIGHT HOLDER"},
	{"22423", "REGENCY CAKESTAND 3 TIER"},
	{"85099B", "JUMBO BAG RED RETROSPOT"},
	{"47566", "PARTY BUNTING"},
	{"20725", "LUNCH BAG RED RETROSPOT"},
	{"84879", "ASSORTED COLOUR BIRD ORNAMENT"},
	{"22720", "SET OF 3 CAKE TINS PANTRY DESIGN"},
	{"22197", "POPCORN HOLDER"},
	{"21212", "PACK OF 72 RETROSPOT CAKE CASES"},
	{"22383", "LUNCH BAG SUKI DESIGN"},
	{"20727", "LUNCH BAG  BLACK SKULL."},
	{"22457", "NATURAL SLATE HEART CHALKBOARD"},
	{"23203", "JUMBO BAG VINTAGE DOILY"},
	{"22386", "JUMBO BAG PINK POLKADOT"},
	{"22960", "JAM MAKING SET WITH JARS"},
	{"22469", "HEART OF WICKER SMALL"},
	{"22470", "HEART OF WICKER LARGE"},
	{"82482", "WOODEN PICTURE FRAME WHITE FINISH"},
	{"82494L", "WOODEN FRAME ANTIQUE WHITE"},
	{"22086", "PAPER CHAIN KIT 50'S CHRISTMAS"},
	{"22178", "VICTORIAN GLASS HANGING T-LIGHT"},
	{"22727", "ALARM CLOCK BAKELIKE RED"},
	{"22726", "ALARM CLOCK BAKELIKE GREEN"},
	{"22699", "ROSES REGENCY TEACUP AND SAUCER"},
	{"22993", "SET OF 4 PANTRY JELLY MOULDS"},
	{"23084", "RABBIT NIGHT LIGHT"},
	{"22138", "BAKING SET 9 PIECE RETROSPOT"},
	{"22139", "RETROSPOT TEA SET CERAMIC 11 PC"},
	{"20914", "SET/5 RED RETROSPOT LID GLASS BOWLS"},
	{"21080", "SET/20 RED RETROSPOT PAPER NAPKINS"},
	{"22666", "RECIPE BOX PANTRY YELLOW DESIGN"},
	{"23298", "SPOTTY BUNTING"},
	{"23301", "GARDENERS KNEELING PAD KEEP CALM"},
	{"21931", "JUMBO STORAGE BAG SUKI"},
	{"22411", "JUMBO SHOPPER VINTAGE RED PAISLEY"},
	{"23209", "LUNCH BAG VINTAGE DOILY"},
	{"90001", hostile},
}

// hostile is a title that would run a script if it ever reached the HTML parser.
const hostile = `<img src=x onerror="console.error('script ran')"> NAPKINS`

// cannedUsers are customers of the set.
var cannedUsers = []string{"17850", "13047", "12583", "15311", "14688", "17511", "14911", "12748"}

func version(round int) string {
	return fmt.Sprintf("r%06d-%08x", round, 0x3fa9c1d2+uint32(round)*0x1f3d5b79)
}

// cannedRounds are six rounds, newest first; the third was refused.
func cannedRounds() []schema.Round {
	epochs := []int{7, 6, 4, 5, 7, 3}
	live := 0
	var out []schema.Round
	for i, n := range epochs {
		r := cannedRound(i+1, n, live)
		if r.Verdict == schema.VerdictPromoted {
			live = r.Round
		}
		if live > 0 {
			r.ModelVersion = version(live)
		}
		out = append([]schema.Round{r}, out...)
	}
	return out
}

func cannedRound(number, epochs, live int) schema.Round {
	rng := rand.New(rand.NewPCG(uint64(number), 7))
	hr := 0.118 + 0.012*math.Sqrt(float64(number))
	r := schema.Round{
		Round: number, Started: start.Add(time.Duration(number) * 38 * time.Second), Seconds: 6.4 + rng.Float64()*4,
		Learner: "sequence", Seed: uint64(number), Examples: 4000 + number*37, Replayed: 1000, HeldOut: 412,
		From: map[string]int64{"0": int64(number-1) * 1000}, To: map[string]int64{"0": int64(number) * 1000},
		Schedule: "soft", Alpha: 10, BaseDistance: 1.31,
		Teacher:  schema.TeacherRecord{Epochs: 3, Loss: 6.12 - 0.1*float64(number), Distance: 1.19 - 0.02*float64(number), HR10: hr - 0.01},
		Coverage: 0.31 + 0.02*float64(number), EasyPopular: 1.92,
		Candidate: schema.Scores{Count: 412, HR10: hr + 0.02, NDCG10: hr*0.55 + 0.01, MRR10: hr * 0.43},
		Verdict:   schema.VerdictPromoted,
	}
	best := 0.0
	for e := range epochs {
		d := 1.31 - 0.36*(1-math.Exp(-float64(e)/2.2)) + 0.012*rng.NormFloat64()
		if e == 0 {
			d = 1.31
		}
		v := hr + 0.03*(1-math.Exp(-float64(e)/1.6)) - 0.004*math.Max(0, float64(e-4)) + 0.002*rng.NormFloat64()
		r.Epochs = append(r.Epochs, schema.Epoch{
			Epoch: e, Lambda: math.Min(1, math.Exp(r.Alpha*(d/r.BaseDistance-1))), Distance: d,
			LossReal: 6.05 - 1.0*(1-math.Exp(-float64(e)/2)), LossEasy: 4.9 - 1.5*(1-math.Exp(-float64(e)/1.3)) + 0.06*float64(e),
			Validation: v, Seconds: 0.8,
		})
		if v > best {
			best, r.BestEpoch = v, e
		}
	}
	if live > 0 {
		r.Live = schema.Scores{Count: 412, HR10: hr + 0.007, NDCG10: hr * 0.55, MRR10: hr * 0.42}
		r.Reason = fmt.Sprintf("HR@10 %.3f against %.3f on 412 held-out interactions, paired difference +0.013, p = 0.03", r.Candidate.HR10, r.Live.HR10)
	} else {
		r.Reason = "there was no live model; better than popularity (HR@10 0.061)"
	}
	if number == 3 {
		r.Verdict = schema.VerdictRefused
		r.Candidate.HR10, r.Candidate.NDCG10 = r.Live.HR10-0.009, r.Live.NDCG10-0.006
		r.Reason = fmt.Sprintf("HR@10 %.3f against %.3f of the live model on 412 held-out interactions: not better, the live model stays", r.Candidate.HR10, r.Live.HR10)
	}
	return r
}

// cannedPrequential is a curve of 60 points in which the model draws ahead.
func cannedPrequential() schema.Prequential {
	rng := rand.New(rand.NewPCG(60, 1))
	p := schema.Prequential{
		At: start, Events: 30000, ModelVersion: version(6), ModelAge: 812,
		Scores: map[string]schema.Scores{
			"model":       {Count: 30000, HR10: 0.148, NDCG10: 0.081, MRR10: 0.061},
			"popularity":  {Count: 30000, HR10: 0.058, NDCG10: 0.029, MRR10: 0.021},
			"transitions": {Count: 30000, HR10: 0.121, NDCG10: 0.066, MRR10: 0.05},
		},
		Rolling: map[string]schema.Scores{
			"model":       {Count: 2000, HR10: 0.1645, NDCG10: 0.0912, MRR10: 0.0688},
			"popularity":  {Count: 2000, HR10: 0.0585, NDCG10: 0.0301, MRR10: 0.0214},
			"transitions": {Count: 2000, HR10: 0.1275, NDCG10: 0.0694, MRR10: 0.0523},
		},
	}
	for i := range 60 {
		drift := 0.006 * rng.NormFloat64()
		p.Curve = append(p.Curve, schema.PrequentialPoint{
			Events: int64(i+1) * 500, At: start.Add(time.Duration(i) * time.Hour),
			HR10: map[string]float64{
				"model":       0.105 + 0.06*(1-math.Exp(-float64(i)/18)) + drift + 0.004*rng.NormFloat64(),
				"popularity":  0.057 + 0.6*drift + 0.003*rng.NormFloat64(),
				"transitions": 0.095 + 0.032*(1-math.Exp(-float64(i)/25)) + drift + 0.004*rng.NormFloat64(),
			},
		})
	}
	return p
}

// cannedManifests are the snapshots of the promoted rounds, newest first.
func cannedManifests() []schema.Manifest {
	var out []schema.Manifest
	for _, r := range cannedRounds() {
		if r.Verdict != schema.VerdictPromoted {
			continue
		}
		out = append(out, schema.Manifest{
			Schema: 1, Version: version(r.Round), Round: r.Round, Learner: "sequence", Backend: "go", Seed: r.Seed,
			CreatedAt: r.Started.Add(8 * time.Second), Metrics: map[string]float64{"hr10": r.Candidate.HR10},
			Files: []schema.File{{Name: "sequence.bin", Bytes: 983412}, {Name: "counts.bin", Bytes: 412034}},
			Hash:  fmt.Sprintf("%08xd41d8cd98f00b204e9800998ecf8427e", 0x3fa9c1d2+uint32(r.Round)*0x1f3d5b79),
		})
	}
	return out
}
