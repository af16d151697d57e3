package arms

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

// idAt is an answer's id of a time.
func idAt(r *rand.Rand, at time.Time) string {
	var u uuid.UUID
	for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
		u[i] = byte(ms)
	}
	for i := 6; i < len(u); i++ {
		u[i] = byte(r.Uint32())
	}
	u[6], u[8] = 0x70|u[6]&0x0f, 0x80|u[8]&0x3f
	return u.String()
}

// madeUp is a log of answers a minute apart, in order of time as far as servers and partitions keep it: with two arms, models that
// change, shadows that come before and after their answer, answers logged twice, lists of nobody, and clicks that come early, late,
// twice, with clocks that are wrong and on answers that nobody logged.
func madeUp(seed uint64, answers int) (ims []schema.Impression, out []Outcome) {
	r := rand.New(rand.NewPCG(seed, 5))
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	type written struct {
		at time.Time
		im schema.Impression
	}
	var log []written
	const spread = int64(2 * time.Minute)
	for a := range answers {
		at := begin.Add(time.Duration(a)*time.Minute + time.Duration(r.Int64N(int64(time.Minute)))).Truncate(time.Millisecond)
		im := schema.Impression{RecommendationID: idAt(r, at), UserID: fmt.Sprint("u", r.IntN(answers/4+2)), List: schema.ListUser, Arm: []string{"live", "new"}[r.IntN(2)], ModelVersion: fmt.Sprint("r", a/100), At: at}
		for _, i := range r.Perm(8)[:4] {
			im.Items = append(im.Items, schema.Shown{ID: fmt.Sprint("i", i), Source: schema.SourceModel, Propensity: []float64{0, 0.3, 0.7, 0.37, 1}[r.IntN(5)]})
		}
		put := func(im schema.Impression) {
			log = append(log, written{at.Add(time.Duration(r.Int64N(spread))), im})
		}
		logged := r.IntN(10) > 0
		if r.IntN(12) == 0 {
			im.List, im.UserID = schema.ListPopular, ""
		}
		for range 1 + r.IntN(8)/7 {
			if logged {
				put(im)
			}
		}
		for _, arm := range []string{"best", "worst", "best"}[:r.IntN(4)] {
			shadow := im
			shadow.Arm, shadow.Shadow, shadow.Items = arm, true, slices.Clone(im.Items)
			r.Shuffle(len(shadow.Items), func(i, j int) { shadow.Items[i].ID, shadow.Items[j].ID = shadow.Items[j].ID, shadow.Items[i].ID })
			put(shadow)
		}
		for range r.IntN(4) {
			age := []time.Duration{-2 * time.Minute, -30 * time.Second, 0, time.Second, 20 * time.Minute, time.Hour, time.Hour + 1e6, 3 * time.Hour, -9000 * time.Hour, 9000 * time.Hour}[r.IntN(10)]
			typ := "view"
			if r.IntN(5) == 0 {
				typ = "purchase"
			}
			id := im.RecommendationID
			if r.IntN(6) == 0 {
				id = []string{"", "none", idAt(r, at)}[r.IntN(3)]
			}
			out = append(out, Outcome{schema.Event{UserID: "u", ItemID: fmt.Sprint("i", r.IntN(9)), Type: typ, Timestamp: at.Add(age), RecommendationID: id}, at.Add(age)})
		}
	}
	slices.SortStableFunc(log, func(a, b written) int { return a.at.Compare(b.at) })
	for _, w := range log {
		ims = append(ims, w.im)
	}
	late := map[time.Time]time.Duration{}
	for _, o := range out {
		late[o.Time] = time.Duration(r.Int64N(spread))
	}
	slices.SortStableFunc(out, func(a, b Outcome) int { return a.Time.Add(late[a.Time]).Compare(b.Time.Add(late[b.Time])) })
	return ims, out
}

// jsonLines writes each of all as JSON with end after it.
func jsonLines[T any](t testing.TB, all []T, end string) string {
	t.Helper()
	var b strings.Builder
	for _, v := range all {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, end...))
	}
	return b.String()
}

// written writes a log to two files.
func written(t testing.TB, ims []schema.Impression, out []Outcome) (impressions, interactions string) {
	t.Helper()
	var events []schema.Event
	for _, o := range out {
		events = append(events, o.Event)
	}
	a, b := jsonLines(t, ims, "\n"), jsonLines(t, events, "\n")
	dir := t.TempDir()
	impressions, interactions = filepath.Join(dir, "i.jsonl"), filepath.Join(dir, "e.jsonl")
	for path, text := range map[string]string{impressions: a, interactions: b} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return impressions, interactions
}

// Reading side by side gives what reading whole gives, to the last digit, whatever of the log is missing.
func TestCompareFiles_asCompare(t *testing.T) {
	for seed := range uint64(4) {
		ims, out := madeUp(seed, 700)
		quarter := len(out) / 4
		for name, part := range map[string]struct {
			ims []schema.Impression
			out []Outcome
		}{"all": {ims, out}, "no clicks": {ims, nil}, "clicks begin later": {ims, out[3*quarter:]}, "clicks end earlier": {ims, out[:quarter]}, "impressions begin later": {ims[len(ims)/2:], out}} {
			want, err := Compare(part.ims, part.out, clicks)
			if err != nil {
				t.Fatal(err)
			}
			a, b := written(t, part.ims, part.out)
			got, err := CompareFiles(a, b, clicks)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, %s: %v\n%+v\nwant\n%+v", seed, name, err, got, want)
			}
			if name == "all" && (got.Rewarded < 80 || len(got.Shadows) != 2 || got.Shadows[0].Refused != "" || len(got.Shown) < 10) {
				t.Fatalf("the log says too little: %+v", got)
			}
		}
	}
}

// The figures of a log are those that softrec gave while it read files as a whole (commit 45d21b9).
func TestCompareFiles_figuresOfBefore(t *testing.T) {
	ims, out := madeUp(0, 700)
	a, b := written(t, ims, out)
	rep, err := CompareFiles(a, b, clicks)
	if err != nil || rep.Whole != "" {
		t.Fatal(err, rep.Whole)
	}
	if rep.Answers != 573 || rep.Rewarded != 230 || rep.Outcomes != 1079 || len(rep.Shown) != 14 || len(rep.Shadows) != 2 {
		t.Fatalf("%+v", rep)
	}
	for what, c := range map[string]struct{ got, want Interval }{
		"live r6, answers":   {rep.Shown[0].Rewarded, Interval{0.2647058823529412, 0.1022055439333028, 0.4272062207725795}},
		"live r6, places":    {rep.Shown[0].PerPlace, Interval{0.07352941176470588, 0.02613775984775022, 0.12092106368166156}},
		"new r0, answers":    {rep.Shown[13].Rewarded, Interval{0.2702702702702703, 0.12204357627882967, 0.4184969642617109}},
		"new r0, places":     {rep.Shown[13].PerPlace, Interval{0.07432432432432433, 0.03269924309282747, 0.11594940555582119}},
		"best, ips":          {rep.Shadows[0].IPS, Interval{0.05409878939290704, 0.028753511561833953, 0.07944406722398013}},
		"best, snips":        {rep.Shadows[0].SNIPS, Interval{0.055263786945639604, 0.02953203910502481, 0.0809955347862544}},
		"best, logged":       {rep.Shadows[0].Logged, Interval{0.05614973262032086, 0.03902491412637989, 0.07327455111426183}},
		"best, mean_weight":  {rep.Shadows[0].MeanWeight, Interval{0.978919331860509, 0.8854483860605571, 1.0723902776604608}},
		"worst, ips":         {rep.Shadows[1].IPS, Interval{0.054603592214211676, 0.020671543334813518, 0.08853564109360984}},
		"worst, snips":       {rep.Shadows[1].SNIPS, Interval{0.058275469117982204, 0.02225026870193049, 0.09430066953403392}},
		"worst, logged":      {rep.Shadows[1].Logged, Interval{0.05309734513274336, 0.031890536476016626, 0.0743041537894701}},
		"worst, mean_weight": {rep.Shadows[1].MeanWeight, Interval{0.9369910365485589, 0.8162505368818495, 1.0577315362152682}},
	} {
		for _, off := range []float64{c.got.Value - c.want.Value, c.got.Low - c.want.Low, c.got.High - c.want.High} {
			if math.Abs(off) > 1e-12 { // the last digits differ where a processor multiplies and adds in one step
				t.Errorf("%s: %+v, want %+v", what, c.got, c.want)
			}
		}
	}
}

// Files in another order have the same figures, and the report says where the order is broken.
func TestCompareFiles_unordered(t *testing.T) {
	ims, out := madeUp(3, 600)
	want, err := Compare(ims, out, clicks)
	if err != nil {
		t.Fatal(err)
	}
	halves := [2]int{len(ims) / 2, len(out) / 2}
	foreign := slices.Clone(ims)
	for i := range foreign {
		foreign[i].RecommendationID = strings.ToUpper(foreign[i].RecommendationID)
	}
	for name, part := range map[string]struct {
		ims  []schema.Impression
		out  []Outcome
		says string
	}{
		"partitions of impressions": {slices.Concat(ims[halves[0]:], ims[:halves[0]]), out, "i.jsonl line "},
		"partitions of clicks":      {ims, slices.Concat(out[halves[1]:], out[:halves[1]]), "e.jsonl line "},
	} {
		a, b := written(t, part.ims, part.out)
		got, err := CompareFiles(a, b, clicks)
		if err != nil || !strings.Contains(got.Whole, part.says) || !strings.Contains(got.Whole, "not ordered by time") || !strings.Contains(got.Summary(), "read as a whole: ") {
			t.Fatalf("%s: %v, %q", name, err, got.Whole)
		}
		if got.Whole = ""; got.Answers != want.Answers || got.Rewarded != want.Rewarded || !reflect.DeepEqual(got.Shadows, want.Shadows) {
			t.Errorf("%s: %+v\nwant\n%+v", name, got, want)
		}
	}
	a, b := written(t, foreign, out)
	if got, err := CompareFiles(a, b, clicks); err != nil || !strings.Contains(got.Whole, "is no UUID of version 7") || got.Answers != want.Answers {
		t.Errorf("ids of another form: %v, %+v", err, got)
	}
}

// A click out of place that could count for an answer already added up is found, and one that could not does no harm.
func TestCompareFiles_disorderIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var ims []schema.Impression
	var out []Outcome
	for i := range 300 {
		at := begin.Add(time.Duration(i) * time.Minute)
		id := idAt(r, at)
		ims = append(ims, schema.Impression{RecommendationID: id, UserID: fmt.Sprint("u", i%7), List: schema.ListUser, Arm: "live", ModelVersion: "r1", At: at, Items: []schema.Shown{{ID: "x", Source: schema.SourceModel}}})
		if i%2 == 0 {
			out = append(out, Outcome{schema.Event{UserID: "u", ItemID: "x", Type: "view", Timestamp: at, RecommendationID: id}, at})
		}
	}
	for behind, whole := range map[time.Duration]bool{disorder: false, disorder + time.Minute: true} {
		first := out[0] // after the clicks of so long later
		at := slices.IndexFunc(out, func(o Outcome) bool { return o.Time.Sub(first.Time) > behind })
		a, b := written(t, ims, slices.Concat(out[1:at], []Outcome{first}, out[at:]))
		got, err := CompareFiles(a, b, clicks)
		if err != nil || got.Rewarded != 150 || (got.Whole != "") != whole {
			t.Errorf("%s behind: %v, %d rewarded, %q", behind, err, got.Rewarded, got.Whole)
		}
	}
	wrong := out[0]
	wrong.Time, wrong.Event.Timestamp = begin.AddDate(9, 0, 0), begin.AddDate(9, 0, 0)
	a, b := written(t, ims, slices.Concat([]Outcome{wrong}, out))
	if got, err := CompareFiles(a, b, clicks); err != nil || got.Whole != "" || got.Rewarded != 150 || got.Outcomes != 151 {
		t.Errorf("a clock that is years ahead: %v, %+v", err, got)
	}
}

// Memory follows the window and not the length of the log, also where one file begins or ends long before the other.
func TestStream_keepsAWindow(t *testing.T) {
	most := int((clicks.Window+clockError+2*disorder)/time.Minute) + 2*2 + 2 // an answer a minute, put up to two minutes later
	for _, answers := range []int{1000, 4000} {
		ims, out := madeUp(1, answers)
		for name, part := range map[string]struct {
			ims []schema.Impression
			out []Outcome
		}{"all": {ims, out}, "no clicks": {ims, nil}, "clicks begin later": {ims, out[3*len(out)/4:]}, "clicks end earlier": {ims, out[:len(out)/4]}} {
			s, next, peak := newStream(clicks), 0, 0
			show := func() {
				if next == len(part.ims) {
					s.lastShown()
					return
				}
				if err := s.show(part.ims[next]); err != nil {
					t.Fatal(err)
				}
				next++
				peak = max(peak, len(s.open))
			}
			for _, o := range part.out {
				if !s.counts(o) {
					continue
				}
				if err := s.expect(o.Time); err != nil {
					t.Fatal(err)
				}
				for s.behind(o.Time) {
					show()
				}
				s.reward(o)
			}
			for s.lastOutcome(); !s.ended; {
				show()
			}
			if peak > most || len(s.open) > 0 || len(s.queue) > 0 || s.tally.answers < answers/2 {
				t.Errorf("%d answers, %s: %d were open at a time, want at most %d; %d are left, %d are added up", answers, name, peak, most, len(s.open), s.tally.answers)
			}
		}
	}
}
