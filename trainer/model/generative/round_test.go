package generative

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/cooccurrence"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// TestRound_learns: a whole round of SOFT on the planted shop, whose untuned model knows titles but no order.
func TestRound_learns(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 20, func(c *Config) { c.MSL, c.RankBeams, c.Prompt.Items, c.Batch = true, 16, 1, 8 })
	w.shop.noise = 0
	data := w.shop.data(w.table, 160, 40, 1)
	l, err := w.engine.Learner(nil, data, 3)
	must(t, err)
	untuned, err := w.engine.Ranks(background, nil, w.table, data.Validation)
	must(t, err)
	cfg := soft.PaperConfig()
	cfg.Epochs, cfg.TeacherEpochs, cfg.Patience, cfg.Probe = 4, 5, 5, 16
	rec, err := soft.Round(background, l, cfg, nil, 1)
	must(t, err)
	tuned, err := w.engine.Ranks(background, l.Adapter(), w.table, data.Validation)
	must(t, err)
	if firsts(tuned, 1) < firsts(untuned, 1)+10 {
		t.Errorf("%d of 40 targets come first: %d untuned", firsts(tuned, 1), firsts(untuned, 1))
	}
	d := rec.Distilled
	if d.Answers != l.Prompts() || d.DistinctAnswers < 2 || d.MeanConfidence <= 0 || d.MeanConfidence > 1 || d.Cost <= 0 {
		t.Errorf("distilled %+v", d)
	}
	if rec.StartDistance <= 0 || rec.TeacherDistance <= 0 {
		t.Errorf("distance %v of the start and %v of the teacher: want them measured", rec.StartDistance, rec.TeacherDistance)
	}
}

func firsts(ranks []float64, k float64) (n int) {
	for _, r := range ranks {
		if r <= k {
			n++
		}
	}
	return n
}

func TestDistil_leavesTheHistoryOut(t *testing.T) {
	be := lmtest.Open(t, lmtest.Go)
	w := newWorld(t, be, 40, nil)
	for _, kind := range []string{AnswerHeld, AnswerFree} {
		cfg := tinyConfig()
		cfg.Answer, cfg.Beams = kind, 6
		w.use(t, cfg)
		l := w.learner(t, 60)
		d, err := l.Distil(background)
		must(t, err)
		given := 0
		for n, a := range l.easy {
			if !a.given() {
				continue
			}
			given++
			if slices.Contains(l.train[n].History, a.item) {
				t.Fatalf("%s: prompt %d is answered from its own history", kind, n)
			}
			if exact := w.table.exact(a.tokens); exact >= 0 && exact != a.item || kind == AnswerHeld && exact < 0 {
				t.Fatalf("%s: text %v counts as item %d, its title is that of %d", kind, a.tokens, a.item, exact)
			}
		}
		if d.Answers != given || given < len(l.easy)/2 {
			t.Errorf("%s: %d answers of %d prompts, %d counted", kind, given, len(l.easy), d.Answers)
		}
	}
}

func TestDistances(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 20, func(c *Config) { c.Answer, c.FilterHistory = AnswerFree, titles.LeaveOutNever })
	l := w.learner(t, 20)
	must(t, l.FixSpace(background, soft.SpaceModel))
	got, err := l.Distances(background, []int{3, 0, 3})
	must(t, err)
	if got[0] != got[2] || got[0] < 0 {
		t.Errorf("distances %v: want the first and the last equal", got)
	}
	answers, err := w.engine.answers(background, l.adapter, w.table, l.prompts[:1], [][]int32{nil})
	must(t, err)
	vectors, err := w.engine.embed(background, [][]int32{answers[0].tokens, w.table.Title(int(l.train[0].Target))})
	must(t, err)
	if want := distance(vectors[0], vectors[1]); got[1] < want-1e-3 || got[1] > want+1e-3 {
		t.Errorf("distance %v: want %v", got[1], want)
	}
	if _, err := l.Distances(background, []int{20}); err == nil {
		t.Error("measured a prompt that is not there")
	}
	must(t, l.FixSpace(background, soft.SpaceCooccurrence))
	space, err := cooccurrence.New(cooccurrence.DefaultDim, titles.Taken(l.train))
	must(t, err)
	got, err = l.Distances(background, []int{0})
	must(t, err)
	if want := space.Distance(answers[0].item, l.train[0].Target); got[0] != want {
		t.Errorf("distance %v on the map: want %v", got[0], want)
	}
	if err := l.FixSpace(background, "moon"); err == nil {
		t.Error("an unknown space was fixed")
	}
}

// TestRanks_agree: as many beams as titles rank as the exact scores do; grounding is an order of its own.
func TestRanks_agree(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine computes; TestRound_learns races the same graphs")
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 30, nil)
	ranks := func(change func(*Config)) [][]float64 {
		cfg := tinyConfig()
		change(&cfg)
		w.use(t, cfg)
		r, err := w.engine.RanksOf(background, nil, w.table, []Question{
			{History: []int32{1, 2}, Targets: []int32{0, 5, 9, 1}}, {History: []int32{7}, Targets: []int32{3}, Filter: true}, {Targets: []int32{4}, Filter: true},
		})
		must(t, err)
		return r
	}
	beams := ranks(func(c *Config) { c.RankBeams = 64 })
	scored := ranks(func(c *Config) { c.Ranking = RankScored })
	for i := range beams {
		if !slices.Equal(beams[i], scored[i]) {
			t.Errorf("question %d: ranks %v by beams and %v by scores", i, beams[i], scored[i])
		}
	}
	few := ranks(func(c *Config) { c.RankBeams = 1 }) // one title is found, the others share the ranks behind it
	if r := few[0]; r[0] != 1 && r[0] != 11 {
		t.Errorf("ranks %v by one beam of 20 titles: want 1 or 11", r)
	}
	grounded := ranks(func(c *Config) { c.Ranking = RankGrounded })
	for _, list := range grounded {
		for _, r := range list {
			if r < 1 || r > float64(w.table.Len()) {
				t.Errorf("grounded rank %v", r)
			}
		}
	}
}

// TestPretrain: the same bytes from the same seed, titles become likely, and what is written computes as what was trained.
func TestPretrain(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine computes; TestRound_learns races the same graphs")
	be := lmtest.Open(t, lmtest.Go)
	cfg := tinyPretrain()
	corpus := Corpus{Titles: shop{20, 0}.titles(), Texts: []string{"blue mug; red lamp", ""}}
	build := func(change func(*PretrainConfig)) (string, []float64) {
		c := cfg
		change(&c)
		dir := t.TempDir()
		var losses []float64
		must(t, Pretrain(background, be, c, corpus, dir, func(step int, loss float64) {
			if step != len(losses) {
				t.Fatalf("step %d told as %d", len(losses), step)
			}
			losses = append(losses, loss)
		}))
		return dir, losses
	}
	one, losses := build(func(*PretrainConfig) {})
	two, _ := build(func(*PretrainConfig) {})
	other, _ := build(func(c *PretrainConfig) { c.Seed = 2 })
	if sum(t, one) != sum(t, two) || sum(t, one) == sum(t, other) {
		t.Error("want the weights decided by the seed")
	}
	if n := len(losses); n != cfg.Steps || losses[n-1] > 0.9*losses[0] {
		t.Errorf("losses %v: want %d of them, falling", losses, cfg.Steps)
	}
	if err := Pretrain(background, be, cfg, Corpus{}, t.TempDir(), nil); err == nil {
		t.Error("trained on nothing")
	}

	raw, _ := build(func(c *PretrainConfig) { c.Steps = 0 })
	var trained, random world
	trained.open(t, be, one)
	random.open(t, be, raw)
	weights := randomWeights(trained.base.Config(), cfg.Seed)
	full := lora.Config{Full: true}
	delta, err := lora.New(full, random.base.Tensors(), 1)
	must(t, err)
	for i, m := range delta.Modules {
		tensor := tensorOf(t, one, m.Name)
		for j, v := range tensor {
			delta.A[i][j] = v - weights[m.Name].Data[j]
		}
	}
	ids := trained.gen.Text("RED MUG AND MORE")
	want, got := logits(t, trained.base, nil, ids), logits(t, random.base, delta, ids)
	for i := range want {
		if d := want[i] - got[i]; d > 1e-4 || d < -1e-4 {
			t.Fatalf("logit %d is %v in the folder and %v in training", i, want[i], got[i])
		}
	}
}

func sum(t *testing.T, dir string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	must(t, err)
	return sha256.Sum256(b)
}

func tensorOf(t *testing.T, dir, name string) []float32 {
	t.Helper()
	f, err := hf.Open(dir)
	must(t, err)
	x, err := f.Tensor(name)
	must(t, err)
	return x.Data
}

func logits(t *testing.T, base *lm.Base, a *lora.Adapter, ids []int32) []float32 {
	t.Helper()
	var lc *lora.Config
	var mods []lora.Module
	if a != nil {
		lc, mods = &a.Config, a.Modules
	}
	p, err := base.Program("logits", lc, mods, func(m *lm.Model, in []*graph.Node) []*graph.Node {
		return []*graph.Node{m.Logits(m.Hidden(in[0], graph.OnesLike(in[0])))}
	})
	must(t, err)
	in := tensors.FromFlatDataAndDimensions(ids, 1, len(ids))
	defer in.MustFinalizeAll()
	var out []float32
	must(t, p.Run(background, a, []*tensors.Tensor{in}, func(_ int, v []float32) { out = append(out, v...) }))
	return out
}
