package snapshot

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/softrec/softrec/trainer/model/pace"
)

// What is read with rests, piece by piece, is what was written, and damage in any piece is found.
func TestDir_readsTheSameWithRests(t *testing.T) {
	t.Parallel() // it waits for the disk
	d := open(t, t.TempDir())
	m, files := sample(3)
	rng := rand.New(rand.NewPCG(1, 3))
	for name, n := range map[string]int{"one.bin": piece, "many.bin": 5*piece + 7, "less.bin": piece - 1} {
		files[name] = make([]byte, n)
		for i := range files[name] {
			files[name][i] = byte(rng.Uint32())
		}
	}
	m, err := d.Write(t.Context(), m, files)
	if err != nil {
		t.Fatal(err)
	}
	ctx := pace.With(t.Context(), pace.New(t.Context(), 0.5))
	_, got, err := d.Read(ctx, m.Version)
	if err != nil || !maps.EqualFunc(got, files, bytes.Equal) {
		t.Fatalf("read %d files, want the %d that were written: %v", len(got), len(files), err)
	}
	path := filepath.Join(d.Path(m.Version), "many.bin")
	for _, at := range []int{0, piece - 1, piece, 3*piece + 1, 5*piece + 6} {
		bad := bytes.Clone(files["many.bin"])
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *CorruptError
		if _, _, err := d.Read(ctx, m.Version); !errors.As(err, &corrupt) || corrupt.File != "many.bin" {
			t.Errorf("byte %d is another: %v", at, err)
		}
	}
}
