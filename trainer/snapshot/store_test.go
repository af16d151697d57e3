package snapshot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPrune_keepsTheNewestAndTheProtected(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	var vs []string // by round
	for round := range 6 {
		vs = append(vs, write(t, d, round).Version)
	}
	deleted, err := Prune(t.Context(), d, 2, vs[1], "", "r999999-00000000")
	if err != nil || !slices.Equal(deleted, []string{vs[3], vs[2], vs[0]}) {
		t.Errorf("deleted %v (%v)", deleted, err)
	}
	if got := versions(t, d); !slices.Equal(got, []string{vs[5], vs[4], vs[1]}) {
		t.Errorf("left %v", got)
	}
	if deleted, err := Prune(t.Context(), d, 10); err != nil || len(deleted) != 0 {
		t.Errorf("nothing to prune: %v (%v)", deleted, err)
	}
	if _, err := Prune(t.Context(), d, 0); err == nil || !strings.Contains(err.Error(), "keep 0") {
		t.Errorf("keep 0: %v", err)
	}
}

// moody is a Store whose deletions fail with err.
type moody struct {
	Store
	err error
}

func (m moody) Delete(context.Context, string) error { return m.err }

func TestPrune_deletedByAnotherIsFine(t *testing.T) {
	t.Parallel() // they wait for the disk
	d := open(t, t.TempDir())
	write(t, d, 1)
	write(t, d, 2)
	if deleted, err := Prune(t.Context(), moody{d, ErrNotFound}, 1); err != nil || len(deleted) != 0 {
		t.Errorf("%v %v", deleted, err)
	}
	broken := errors.New("disk broken")
	if _, err := Prune(t.Context(), moody{d, broken}, 1); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestHash_isOfNamesAndContents(t *testing.T) {
	a := map[string][]byte{"a": []byte("1"), "b": []byte("2")}
	seen := map[string]string{}
	for name, files := range map[string]map[string][]byte{
		"a":            a,
		"swapped":      {"a": []byte("2"), "b": []byte("1")},
		"moved border": {"a1": nil, "b": []byte("2")},
		"renamed":      {"a": []byte("1"), "c": []byte("2")},
		"fewer":        {"a": []byte("1")},
		"none":         {},
	} {
		h := Hash(files)
		if len(h) != 64 || seen[h] != "" {
			t.Errorf("%s: hash %s, as of %q", name, h, seen[h])
		}
		seen[h] = name
	}
	if Hash(a) != Hash(map[string][]byte{"b": []byte("2"), "a": []byte("1")}) {
		t.Error("the order of the map is in the hash")
	}
	// Held for ever: versions already published carry it.
	if got := Hash(map[string][]byte{"counts.bin": []byte("x"), "vocab.txt": nil}); got != goldenHash {
		t.Errorf("the hash of old snapshots changed: %s", got)
	}
}

const goldenHash = "bc305ccb8c39ac4d10493ab2c9ebb97bf42900fd5f8a7ef8528ab23729cb5940"

func TestVersion_form(t *testing.T) {
	if got := Version(12, "3fa9c1d2ffff"); got != "r000012-3fa9c1d2" {
		t.Error(got)
	}
	for v, want := range map[string]bool{
		"r000012-3fa9c1d2": true, "r1234567-3fa9c1d2": true, "r12-3fa9c1d2": false, "r000012-3FA9C1D2": false,
		"r000012-3fa9c1d2x": false, "r000012-3fa9c1d2\n": false, "r-00001-3fa9c1d2": false, "": false,
	} {
		if IsVersion(v) != want {
			t.Errorf("IsVersion(%q) = %v", v, !want)
		}
	}
}
