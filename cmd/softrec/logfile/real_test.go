package logfile

import (
	"path/filepath"
	"testing"
	"time"
)

// The log of the demo is read to its end: figures as its ATTRIBUTION.md gives them.
func TestMeasure_demoLog(t *testing.T) {
	folder := filepath.Join("..", "demo", "log", "online-retail")
	in, err := OpenInteractions(filepath.Join(folder, "interactions.tsv.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	got, err := Measure(in, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := Span{396_370, time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC), time.Date(2011, 12, 9, 12, 50, 0, 0, time.UTC)}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	items, err := OpenItems(filepath.Join(folder, "items.tsv.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer items.Close()
	n := 0
	for item, err := range items.All() {
		if err != nil {
			t.Fatal(err)
		}
		if item.Title == "" {
			t.Errorf("item %s has no title", item.ID)
		}
		n++
	}
	if n != 3659 {
		t.Errorf("%d items, want 3659", n)
	}
}
