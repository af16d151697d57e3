package textlive

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The file stays within twice the titles that there may be, and forgets those first that were used longest ago.
func TestVectors_fileStaysBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Titles = 20
	shop, dir := &shelf{}, t.TempDir()
	r := startWith(t, cfg, &bag{}, shop, dir, nil)
	title := func(i int) string { return fmt.Sprint("thing", i) }
	for i := range 15 {
		shop.put(fmt.Sprint("old", i), title(i))
	}
	sync1(t, r)
	for i := range 200 {
		shop.put(fmt.Sprint("i", i%5), title(100+i)) // the fifteen stay all the time
		sync1(t, r)
		if n := r.kept.records(); n > 2*cfg.Titles {
			t.Fatalf("%d records for %d titles", n, cfg.Titles)
		}
	}
	end(t, r)
	enc := &bag{}
	r = startWith(t, cfg, enc, shop, dir, nil)
	if sync1(t, r); enc.count() != 0 {
		t.Errorf("%d of the titles in use encoded again", enc.count())
	}
	if _, err := os.Stat(r.kept.path + newSuffix); err == nil {
		t.Error("the file that took the place is still there")
	}
	vec := r.kept.vector(r.entries["old3"].tokens)
	if _, want, _ := r.Item("old3"); fmt.Sprint(vec) != fmt.Sprint(want) || vec == nil {
		t.Errorf("vector %v after rewriting, want %v", vec, want)
	}
	if r.kept.vector(words{}.Encode(title(100))) != nil {
		t.Error("the title that left first is still there")
	}
	end(t, r)
}

// A file that cannot be written anew goes on as it is.
func TestVectors_cannotBeWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Titles = 5
		shop, dir := &shelf{}, t.TempDir()
		var said bytes.Buffer
		r := startWith(t, cfg, &bag{}, shop, dir, slog.New(slog.NewTextHandler(&said, nil)))
		stone := r.kept.path + newSuffix
		if err := os.Mkdir(stone, 0o700); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			shop.put("a", fmt.Sprint("thing", i))
			sync1(t, r)
		}
		if n := strings.Count(said.String(), "are not kept"); n != 1 || r.Len() != 1 || r.kept.vector(words{}.Encode("thing0")) == nil {
			t.Errorf("%d titles; said %d times that the file is not written:\n%s", r.Len(), n, said.String())
		}
		if err := os.Remove(stone); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retryAfter)
		if sync1(t, r); r.kept.records() > 2*cfg.Titles {
			t.Errorf("%d records", r.kept.records())
		}
		end(t, r)
		if n := live(t, shop, dir, func(r *Runtime) { sync1(t, r) }); n != 0 {
			t.Errorf("%d titles encoded again", n)
		}
	})
}
