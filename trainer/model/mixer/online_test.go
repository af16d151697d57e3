package mixer

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// quick is a small online configuration.
func quick() Config {
	cfg := DefaultConfig()
	cfg.Hidden, cfg.Hidden2 = 12, 6
	cfg.Online = OnlineConfig{Every: 8, Replay: 5, Memory: 300, Kept: 10, Warm: 60, Rate: 0.005, Power: 1}
	return cfg
}

func online(t testing.TB, cfg Config) *Online {
	t.Helper()
	o, err := NewOnline(cfg, mustLinear(t), 7)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func learn(t testing.TB, o *Online, cases []Case) {
	t.Helper()
	for i, c := range cases {
		if err := o.Learn(c); err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
	}
}

func state(t testing.TB, o *Online) []byte {
	t.Helper()
	b, err := o.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOnline_learnsWhatALinearScoreCannot(t *testing.T) {
	train, test := task(1, 1200), task(2, 300)
	line := quick()
	line.Hidden, line.Hidden2 = 0, 0
	for name, change := range map[string]func(*Config){
		"one layer":  func(c *Config) { c.Hidden2 = 0 },
		"two layers": func(*Config) {},
		"average":    func(c *Config) { c.Online.Average = 0.99 },
		"by basket":  func(c *Config) { c.Online.Power = 0 },
	} {
		cfg := quick()
		change(&cfg)
		straight, bent := online(t, line), online(t, cfg)
		learn(t, straight, train)
		learn(t, bent, train)
		a, b, c := hits(mustLinear(t), test), hits(straight.Mixer(), test), hits(bent.Mixer(), test)
		t.Logf("%s: start %.2f, linear %.2f, hidden layers %.2f; %+v", name, a, b, c, bent.Report())
		if c < b+0.15 || c < 0.5 {
			t.Errorf("%s: hits: start %v, linear %v, with hidden layers %v", name, a, b, c)
		}
		if bent.Report().Loss >= straight.Report().Loss {
			t.Errorf("%s: loss %v, of a linear score %v", name, bent.Report().Loss, straight.Report().Loss)
		}
	}
}

func TestOnline_watchesFirst(t *testing.T) {
	o := online(t, quick())
	start := o.Mixer()
	cases, test := task(1, 64), task(2, 300) // the first full chunk at or after 60 is the eighth
	learn(t, o, cases[:13])
	if o.Mixer() != start {
		t.Error("13 cases, less than a quarter of the watching, are enough for a guess")
	}
	learn(t, o, cases[13:14])
	guess := o.Mixer()
	if guess == start {
		t.Error("no guess after a quarter of the watching")
	}
	learn(t, o, cases[14:63])
	if o.Mixer() == guess || o.Report().Steps != 0 {
		t.Errorf("took %d steps before the watching was over; the guess is made anew: %v", o.Report().Steps, o.Mixer() != guess)
	}
	if before, after := hits(start, test), hits(o.Mixer(), test); after < before {
		t.Errorf("the guess hits %v, the start %v", after, before)
	}
	learn(t, o, cases[63:])
	if r := o.Report(); o.Mixer() == start || r.Steps != 8*6 || r.Cases != 64 {
		t.Errorf("report %+v after the watching, want 48 steps that make up for it", r)
	}
	if m := o.Mixer(); m != o.Mixer() {
		t.Error("a mixer was made anew though nothing changed")
	}
	// What was learnt is what would have been learnt without a guess.
	plain := online(t, quick())
	for _, c := range cases[:63] {
		plain.remember(c)
		plain.report.Cases++
		plain.report.Lines += c.lines()
		if len(plain.chunk) == plain.cfg.Online.Every {
			plain.chunk = nil
		}
	}
	learn(t, plain, cases[63:])
	if !bytes.Equal(state(t, plain), state(t, o)) {
		t.Error("the guesses have left a trace")
	}
}

// TestOnline_resumesBitForBit wherever it is broken off: while watching, inside a chunk, across new scales.
func TestOnline_resumesBitForBit(t *testing.T) {
	for _, average := range []float64{0, 0.99} {
		cfg := quick()
		cfg.Online.Average = average
		cases := task(3, 270)
		whole, broken := online(t, cfg), online(t, cfg)
		for i, c := range cases {
			learn(t, whole, []Case{c})
			learn(t, broken, []Case{c})
			if i%37 != 5 {
				continue
			}
			b := state(t, broken)
			broken = new(Online)
			if err := broken.UnmarshalBinary(b); err != nil {
				t.Fatalf("case %d: %v", i, err)
			}
			if !bytes.Equal(state(t, broken), b) || !slices.Equal(broken.Mixer().weight.flat, whole.Mixer().weight.flat) {
				t.Fatalf("case %d: what was read is not what was written", i)
			}
		}
		if !bytes.Equal(state(t, whole), state(t, broken)) {
			t.Error("resumed and unbroken learning differ")
		}
	}
}

func TestOnline_isTheSameWithTwoWorkers(t *testing.T) {
	one, two := quick(), quick()
	one.Workers, two.Workers = 1, 2
	a, b := online(t, one), online(t, two)
	learn(t, a, task(3, 100))
	learn(t, b, task(3, 100))
	if !slices.Equal(a.Mixer().weight.flat, b.Mixer().weight.flat) {
		t.Error("the number of workers changed the result")
	}
}

func TestOnline_cloneIsIndependent(t *testing.T) {
	cases := task(4, 200)
	o, same := online(t, quick()), online(t, quick())
	learn(t, o, cases[:100])
	learn(t, same, cases[:100])
	before := o.Mixer()
	flat := slices.Clone(before.weight.flat)
	c := o.Clone()
	learn(t, c, cases[100:])
	if !bytes.Equal(state(t, o), state(t, same)) || o.Mixer() != before {
		t.Error("a clone's learning changed the original")
	}
	learn(t, o, cases[100:])
	if !bytes.Equal(state(t, o), state(t, c)) {
		t.Error("a clone learns something else")
	}
	if !slices.Equal(before.weight.flat, flat) {
		t.Error("a mixer that was handed out changed")
	}
}

// TestOnline_standardisingAnewKeepsTheFunction of the weights and of their average.
func TestOnline_standardisingAnewKeepsTheFunction(t *testing.T) {
	cfg := quick()
	cfg.Online.Average = 0.9
	o := online(t, cfg)
	shifted := task(5, 300)
	for i := range shifted[150:] {
		for j := range shifted[150+i].Items {
			shifted[150+i].Items[j] = 2*shifted[150+i].Items[j] + 1
		}
	}
	learn(t, o, shifted[:200])
	before, old := o.Mixer(), o.model
	last, err := build(o.layout, old.scale, old.w.clone())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range shifted[200:] {
		o.remember(c)
	}
	o.rescale()
	if err := o.publish(); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(o.model.scale.dev, old.scale.dev) {
		t.Fatal("the columns were not standardised anew")
	}
	now, err := build(o.layout, o.model.scale, o.model.w)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]*Mixer{{before, o.Mixer()}, {last, now}} {
		for _, c := range task(6, 20) {
			a, b := make([]float64, len(c.Targets)), make([]float64, len(c.Targets))
			pair[0].Scores(c.Context, c.Items, a)
			pair[1].Scores(c.Context, c.Items, b)
			for i := range a {
				if d := (a[i] - a[0]) - (b[i] - b[0]); math.Abs(d) > 1e-4 {
					t.Fatalf("score %d moved by %v", i, d)
				}
			}
		}
	}
}

func TestOnline_refusesBadCasesAndGoesOn(t *testing.T) {
	a, b := online(t, quick()), online(t, quick())
	cases := task(4, 100)
	nan := task(1, 1)[0]
	nan.Items[2] = float32(math.NaN())
	short := task(1, 1)[0]
	short.Context = nil
	for i, c := range cases {
		learn(t, a, []Case{c})
		learn(t, b, []Case{c})
		for want, bad := range map[string]Case{"NaN": nan, "0 context values": short} {
			if err := b.Learn(bad); err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("case %d: error %v, want one with %q", i, err, want)
			}
		}
	}
	if !bytes.Equal(state(t, a), state(t, b)) {
		t.Error("refused cases left a trace")
	}
	none := task(1, 1)[0]
	clear(none.Targets)
	none.Missed = 3
	learn(t, b, []Case{none})
	if r := b.Report(); r.Skipped != 1 || r.Missed != 3 || r.Cases != 100 {
		t.Errorf("report %+v", r)
	}
}

// TestOnline_undoesAChunkThatBreaksTheWeights: values at the end of single precision are finite, their sums are not.
func TestOnline_undoesAChunkThatBreaksTheWeights(t *testing.T) {
	o := online(t, quick())
	learn(t, o, task(4, 120))
	before := o.Mixer()
	var failed error
	for _, c := range task(5, 8) {
		for j := range c.Items {
			c.Items[j] *= 1e38 / 8
		}
		if err := o.Learn(c); err != nil {
			failed = err
		}
	}
	if failed == nil || !strings.Contains(failed.Error(), "8 cases are forgotten") {
		t.Fatalf("error %v", failed)
	}
	if o.Mixer() != before {
		t.Error("the mixer changed")
	}
	learn(t, o, task(6, 40))
	if o.Mixer() == before {
		t.Error("learning ended there")
	}
}

func TestOnline_Reconfigure(t *testing.T) {
	o := online(t, quick())
	learn(t, o, task(4, 100))
	smaller := quick()
	smaller.Online.Memory, smaller.Online.Rate, smaller.Hidden2 = 64, 0.001, 0
	old := o.Mixer()
	if err := o.Reconfigure(smaller); err != nil {
		t.Fatal(err)
	}
	if len(o.memory) != 64 || o.Mixer() != old {
		t.Errorf("%d cases remembered, want 64, and the mixer as it was", len(o.memory))
	}
	again := new(Online)
	if err := again.UnmarshalBinary(state(t, o)); err != nil {
		t.Fatal(err)
	}
	learn(t, o, task(5, 20))
	learn(t, again, task(5, 20))
	if w := o.Mixer().weight; w.hidden != 12 || w.hidden2 != 0 || !bytes.Equal(state(t, o), state(t, again)) {
		t.Errorf("%d and %d hidden units, want 12 and 0", w.hidden, w.hidden2)
	}
	if err := o.Reconfigure(Config{}); err == nil {
		t.Error("an empty configuration was accepted")
	}
}

func TestNewOnline_refuses(t *testing.T) {
	if _, err := NewOnline(quick(), nil, 1); err == nil {
		t.Error("no start was accepted")
	}
	bad := quick()
	bad.Online.Warm = 301
	if _, err := NewOnline(bad, mustLinear(t), 1); err == nil || !strings.Contains(err.Error(), "mixer.online.warm 301") {
		t.Errorf("error %v", err)
	}
}

func TestOnline_UnmarshalBinarySeesDamage(t *testing.T) {
	cfg := quick()
	cfg.Online.Memory, cfg.Online.Warm = 20, 16
	o := online(t, cfg)
	learn(t, o, task(4, 42))
	b := state(t, o)
	want := state(t, o)
	for i := 0; i < len(b); i += 11 {
		bad := bytes.Clone(b)
		bad[i] ^= 4
		if o.UnmarshalBinary(bad) == nil || o.UnmarshalBinary(b[:i]) == nil {
			t.Fatalf("damage at byte %d went unseen", i)
		}
	}
	if !bytes.Equal(state(t, o), want) {
		t.Error("damaged bytes changed the state")
	}
}

func FuzzOnline_UnmarshalBinary(f *testing.F) {
	cfg := quick()
	cfg.Hidden, cfg.Hidden2 = 3, 2
	cfg.Online = OnlineConfig{Every: 2, Replay: 1, Memory: 6, Kept: 3, Warm: 4, Rate: 0.01, Power: 1, Average: 0.9}
	o := online(f, cfg)
	for _, c := range task(1, 9) {
		b := state(f, o)
		f.Add(b[:len(b)-4])
		if err := o.Learn(c); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o := new(Online)
		if o.UnmarshalBinary(binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))) != nil {
			return
		}
		again := new(Online)
		if err := again.UnmarshalBinary(state(t, o)); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		c := Case{Context: make([]float32, len(o.layout.Context)), Items: make([]float32, 2*len(o.layout.Item)), Targets: []float32{1, 0}}
		if o.cfg.Online.Every*(o.cfg.Online.Replay+1) > 64 || len(o.memory) > 64 {
			return // a forged configuration may ask for a lot of work
		}
		for range 3 { // forged weights may be of any size, and are then refused; they must not break it
			_ = o.Learn(c)
		}
		o.Mixer().Scores(c.Context, c.Items, make([]float64, 2))
	})
}

// TestOnline_memoryIsAsSmallAsItsCommentSays, at 80 columns.
func TestOnline_memoryIsAsSmallAsItsCommentSays(t *testing.T) {
	cfg := DefaultConfig()
	for full, most := range map[float64]int{0.5: 54, 1: 109} {
		l := wideLayout(80, 12)
		start, err := Linear(l, make([]float64, 80))
		if err != nil {
			t.Fatal(err)
		}
		o, err := NewOnline(cfg, start, 1)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		const cases = 20
		for range cases {
			c := randomCase(rng, l, 260, full)
			clear(c.Targets)
			for i := range 10 {
				c.Targets[i*20] = 1
			}
			learn(t, o, []Case{c})
		}
		sum := 0
		for _, p := range o.memory {
			sum += cap(p.bytes)
		}
		if got := sum / cases * cfg.Online.Memory / 1e6; got > most || got < most-3 {
			t.Errorf("%d MB where %v of the values are not zero, want about %d", got, full, most)
		}
	}
}
