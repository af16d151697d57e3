package ranker

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/pace"
	"github.com/softrec/softrec/trainer/model/vocab"
)

func TestDecode_namesTheFileThatIsWrong(t *testing.T) {
	w := newWorld(1, 5, 30)
	w.run(200)
	bundle, err := w.bundle(t, true).WithWords(w.words())
	if err != nil {
		t.Fatal(err)
	}
	good, err := bundle.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range good {
		bad := maps.Clone(good)
		bad[name] = content[:len(content)-1]
		if _, err := Decode(bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a cut %s: error %v", name, err)
		}
		delete(bad, name)
		_, err := Decode(bad)
		if name == FileSequence || name == FileWords {
			if err != nil {
				t.Errorf("without %s: %v", name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: error %v", name, err)
		}
	}
	more := maps.Clone(good)
	more["notes.txt"] = []byte("hello")
	if _, err := Decode(more); err != nil {
		t.Errorf("a file more: %v", err)
	}
	shorter := maps.Clone(good)
	shorter[FileVocab] = shorter[FileVocab][:bytes.IndexByte(shorter[FileVocab], '\n')+1]
	if _, err := Decode(shorter); err == nil || !strings.Contains(err.Error(), "for a vocabulary of 2") {
		t.Errorf("a vocabulary too short for the counts: error %v", err)
	}
}

// A bundle that was read with rests is the one that is read without: in its bytes, in what it laid out, and in what it answers.
func TestDecodeAt_aPaceChangesNothing(t *testing.T) {
	w := newWorld(2, 40, 2500)
	w.run(6000)
	bundle, err := w.bundle(t, true).WithWords(w.words())
	if err != nil {
		t.Fatal(err)
	}
	files, err := bundle.Encode()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	calm, err := DecodeAt(files, pace.New(t.Context(), 0.5))
	if err != nil {
		t.Fatal(err)
	}
	t.Log("with rests it took", time.Since(start))
	again, err := calm.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(files, again, bytes.Equal) {
		t.Error("the bundle has other bytes")
	}
	if !reflect.DeepEqual(plain.shelf, calm.shelf) {
		t.Error("the bundle has laid out something else")
	}
	for u := range 20 {
		q := Request{History: w.windows[u], Now: w.now, N: 15}
		if a, b := plain.Rank(q), calm.Rank(q); !reflect.DeepEqual(a, b) {
			t.Fatalf("user %d: %v, with rests %v", u, a, b)
		}
	}
}

func TestNew_refusesPartsThatDoNotFit(t *testing.T) {
	other, err := mixer.Linear(mixer.Layout{Item: []string{"x"}}, []float64{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(vocab.New(), counts.NewCounts(counts.DefaultConfig()), nil, other); err == nil {
		t.Error("a mixer of other columns was accepted")
	}
	if _, err := New(nil, nil, nil, nil); err == nil {
		t.Error("no parts were accepted")
	}
}

func TestColumns_everyItemColumnBelongsToOnePart(t *testing.T) {
	owners := make([]int, textItemColumns)
	for _, columns := range partColumns(true) {
		for _, c := range columns {
			owners[c]++
		}
	}
	for c, n := range owners {
		if n != 1 || itemNames[c] == "" {
			t.Errorf("column %d %q belongs to %d parts", c, itemNames[c], n)
		}
	}
}

// A snapshot of a build with fewer columns answers here as it did there.
func TestNew_mixerOfAnOlderBuildGoesOn(t *testing.T) {
	w := newWorld(4, 10, 40)
	w.run(300)
	old, err := mixer.Linear(mixer.Layout{Item: []string{"popular", "owned", "follows"}, Context: []string{"length"}}, []float64{0.3, 0.5, 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(w.v.Clone(), w.c.Clone(), nil, old)
	if err != nil {
		t.Fatal(err)
	}
	places := []int{colPopular, colOwned, colFollows}
	for _, q := range w.questions(20) {
		c := b.CasesFor([]Question{q})[0]
		n := len(c.Targets)
		narrow := make([]float32, 0, 3*n)
		for i := range n {
			for _, p := range places {
				narrow = append(narrow, c.Items[i*itemColumns+p])
			}
		}
		was, is := make([]float64, n), make([]float64, n)
		old.Scores(c.Context[ctxLength:ctxLength+1], narrow, was)
		b.Mixer.Scores(c.Context, c.Items, is)
		for i := range n {
			if math.Abs(was[i]-is[i]) > 1e-6 {
				t.Fatalf("candidate %d scores %g, in the older build %g", i, is[i], was[i])
			}
		}
	}
}
