package evaluation

// Window is the scores of one stretch of the stream.
type Window struct {
	From int `json:"from"` // scored events before the stretch
	Scores
}

// Model is what is known of one model: means over its seeds where it has several.
type Model struct {
	Scores
	FirstTime Scores   `json:"first_time"`
	Repeat    Scores   `json:"repeat"`
	NewUsers  Scores   `json:"new_users"`
	ColdItems Scores   `json:"cold_items"`
	Windows   []Window `json:"windows,omitempty"`

	Coverage       float64 `json:"coverage"`             // distinct items of all lists over the items there were in the end
	PopularityBias float64 `json:"popularity_bias"`      // mean earlier events of the listed items over that of the targets; 1 is none
	ShortLists     float64 `json:"short_lists"`          // share of the lists with fewer than ten items
	EmptyLists     float64 `json:"empty_lists"`          // share of the lists without any
	AgeEvents      float64 `json:"age_events,omitempty"` // mean events the answering network, in delayed mode the whole model, is behind; 0 where it does not apply
	Seeds          []Seed  `json:"seeds,omitempty"`      // of a model that depends on one
	Live           []Live  `json:"live,omitempty"`       // of a model that answered in real time: its replays, one per seed

	Times
}

// Times is what a machine needed; everything else is the same on all of them.
type Times struct {
	Seconds    float64 `json:"seconds"`        // to answer and to learn; a run that several models share counts for each
	LatencyP50 float64 `json:"latency_p50_ms"` // of one answer
	LatencyP99 float64 `json:"latency_p99_ms"`
}

// Seed is one of the runs a Model is the mean of.
type Seed struct {
	Seed int64 `json:"seed"`
	Scores
}

// Of returns the scores of a group.
func (m *Model) Of(g Group) Scores { return *m.at(g) }

func (m *Model) at(g Group) *Scores {
	switch g {
	case FirstTime:
		return &m.FirstTime
	case Repeat:
		return &m.Repeat
	case NewUsers:
		return &m.NewUsers
	case ColdItems:
		return &m.ColdItems
	default:
		return &m.Scores
	}
}

// Judge fills the scores of m from the ranks of all cases; window is the number of cases per stretch, 0 for no stretches.
func (m *Model) Judge(ranks []float32, cases []Case, window int) {
	for _, g := range Groups() {
		*m.at(g) = Score(ranks, func(i int) bool { return cases[i].In(g) })
	}
	m.Windows = nil
	for from := 0; window > 0 && from < len(ranks); from += window {
		m.Windows = append(m.Windows, Window{From: from, Scores: Score(ranks[from:min(from+window, len(ranks))], nil)})
	}
}

// Mean returns the mean of the runs of one model, one per seed, in the order of seeds. There must be at least one, and all
// must be about the same cases.
func Mean(runs []*Model, seeds []int64) *Model {
	out := *runs[0]
	out.Windows = append([]Window(nil), out.Windows...)
	for _, g := range Groups() {
		*out.at(g) = meanScores(runs, func(m *Model) Scores { return *m.at(g) })
	}
	for w := range out.Windows {
		out.Windows[w].Scores = meanScores(runs, func(m *Model) Scores { return m.Windows[w].Scores })
	}
	for _, f := range []func(*Model) *float64{
		func(m *Model) *float64 { return &m.Coverage }, func(m *Model) *float64 { return &m.PopularityBias },
		func(m *Model) *float64 { return &m.ShortLists }, func(m *Model) *float64 { return &m.EmptyLists },
		func(m *Model) *float64 { return &m.AgeEvents }, func(m *Model) *float64 { return &m.Seconds },
		func(m *Model) *float64 { return &m.LatencyP50 }, func(m *Model) *float64 { return &m.LatencyP99 },
	} {
		sum := 0.0
		for _, m := range runs {
			sum += *f(m)
		}
		*f(&out) = sum / float64(len(runs))
	}
	out.Seeds, out.Live = make([]Seed, len(runs)), nil
	for _, m := range runs {
		out.Live = append(out.Live, m.Live...)
	}
	for i, m := range runs {
		out.Seeds[i] = Seed{Seed: seeds[i], Scores: m.Scores}
	}
	return &out
}

func meanScores(runs []*Model, of func(*Model) Scores) Scores {
	out := Scores{Events: of(runs[0]).Events}
	for _, m := range runs {
		s := of(m)
		out.HR10 += s.HR10
		out.NDCG10 += s.NDCG10
		out.MRR10 += s.MRR10
	}
	n := float64(len(runs))
	out.HR10, out.NDCG10, out.MRR10 = out.HR10/n, out.NDCG10/n, out.MRR10/n
	return out
}
