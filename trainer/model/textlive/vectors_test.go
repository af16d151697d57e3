package textlive

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/ranker"
)

// A restart encodes nothing again; a damaged file costs time and nothing else.
func TestVectors_surviveARestart(t *testing.T) {
	shop, dir := &shelf{}, t.TempDir()
	for i := range 30 {
		shop.put(fmt.Sprint("i", i), fmt.Sprintf("thing%d colour%d", i, i%7))
	}
	run := func() (encoded int, text *ranker.Text) {
		enc := &bag{}
		r := startRuntime(t, enc, shop, dir, nil)
		defer end(t, r)
		sync1(t, r)
		encoded = enc.count()
		return encoded, ask(t, r, history("i3", "i5"))
	}
	n, want := run()
	if n != 30 {
		t.Fatalf("%d titles encoded, want 30", n)
	}
	again := func(encode int) {
		t.Helper()
		n, got := run()
		if n != encode {
			t.Errorf("%d titles encoded again, want %d", n, encode)
		}
		score := map[string]float32{}
		for row, id := range got.IDs {
			score[id] = got.LogProbs[row]
		}
		for row, id := range want.IDs {
			if d := score[id] - want.LogProbs[row]; math.Abs(float64(d)) > 1e-6 {
				t.Errorf("%s scores %v, was %v", id, score[id], want.LogProbs[row])
			}
		}
	}
	again(0)
	files, err := filepath.Glob(filepath.Join(dir, "*.vectors"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	record := (len(content) - len(vectorMagic) - 4) / 30
	damage := map[string]func() []byte{
		"cut off":      func() []byte { return content[:len(content)-record/2] },
		"a bit turned": func() []byte { c := slices.Clone(content); c[len(c)-record/2] ^= 4; return c },
	}
	for name, bytes := range damage {
		if err := os.WriteFile(files[0], bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		again(1)
		again(0)
	}
	if err := os.WriteFile(files[0], []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	again(30)
	again(0)
}

func FuzzVectorFile(f *testing.F) {
	f.Add([]byte(vectorMagic))
	f.Add([]byte("nonsense"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "v")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		v := &vectorFile{file: file, dim: 3, index: map[vectorKey]place{}}
		defer func() { _ = v.close() }()
		if err := v.load(file); err != nil || v.size > int64(len(b)) || len(v.index) > v.records() {
			t.Fatalf("%d vectors in %d good bytes of %d, %v", len(v.index), v.size, len(b), err)
		}
		for key, p := range v.index {
			if _, err := v.record(key, p); err != nil {
				t.Fatalf("a vector that was found is not there: %v", err)
			}
		}
	})
}

// shopOf holds titles, as the catalogue of another life did.
func shopOf(from, to int) *shelf {
	shop := &shelf{}
	for i := from; i < to; i++ {
		shop.put(fmt.Sprint("i", i), fmt.Sprintf("thing%d colour%d", i, i%7))
	}
	return shop
}

// live is one life of a runtime: it returns how many titles were encoded.
func live(t *testing.T, shop Catalogue, dir string, do func(r *Runtime)) int {
	t.Helper()
	enc := &bag{}
	r := startRuntime(t, enc, shop, dir, nil)
	defer end(t, r)
	do(r)
	return enc.count()
}

// The copy of the catalogue is empty until Redis answers, and again while Redis is filled anew: that costs no vector.
func TestVectors_surviveAnEmptyCatalogue(t *testing.T) {
	const all = 1500
	dir := t.TempDir()
	readied := func(r *Runtime) { sync1(t, r) }
	if n := live(t, shopOf(0, all), dir, readied); n != all {
		t.Fatalf("%d titles encoded, want %d", n, all)
	}
	shop := &shelf{}
	n := live(t, shop, dir, func(r *Runtime) {
		for _, round := range []string{"before the first answer", "after Redis was emptied"} {
			for _, held := range []int{0, 1, 100, all} {
				shop.mu.Lock()
				full := shopOf(all-held, all)
				shop.items, shop.version = full.items, full.version
				shop.mu.Unlock()
				for range 3 {
					sync1(t, r)
				}
				if r.Len() != held {
					t.Errorf("%s: %d titles of %d", round, r.Len(), held)
				}
			}
		}
	})
	if n != 0 {
		t.Errorf("%d titles encoded again while the catalogue filled", n)
	}
	if n := live(t, shopOf(0, all), dir, readied); n != 0 {
		t.Errorf("%d titles encoded again after that life", n)
	}
}

// What the model does not read does not count, and what it reads does.
func TestVectors_areOfTheTokensThatAreRead(t *testing.T) {
	shop, dir := &shelf{}, t.TempDir()
	shop.put("a", "one two three")
	shop.put("b", "one two four")
	for _, step := range []struct{ room, encoded int }{{3, 2}, {2, 2}, {2, 0}, {9, 0}} {
		enc := &bag{room: step.room}
		r := startRuntime(t, enc, shop, dir, nil)
		sync1(t, r)
		if n := enc.count(); n != step.encoded {
			t.Errorf("%d titles encoded with room for %d tokens, want %d", n, step.room, step.encoded)
		}
		_, a, _ := r.Item("a")
		_, b, _ := r.Item("b")
		if same := slices.Equal(a, b); same != (step.room == 2) {
			t.Errorf("with room for %d tokens the vectors are the same: %v", step.room, same)
		}
		end(t, r)
	}
}

// A file that is damaged while it is open costs time and nothing else.
func TestVectors_damagedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	sync := func(r *Runtime) { sync1(t, r) }
	live(t, shopOf(0, 30), dir, sync)
	for _, want := range []int{15, 0} {
		n := live(t, shopOf(0, 30), dir, func(r *Runtime) {
			if want > 0 {
				at := int64(len(r.kept.header()))
				if _, err := r.kept.file.WriteAt(make([]byte, 15*r.kept.recordSize()), at); err != nil {
					t.Fatal(err)
				}
			}
			sync1(t, r)
		})
		if n != want {
			t.Errorf("%d titles encoded again, want %d", n, want)
		}
	}
}
