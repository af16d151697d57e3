package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// log writes a log of users who go round the catalogue, each from a place of its own.
func log(t *testing.T) (interactions, items string) {
	t.Helper()
	const catalogue = 12
	var in, it strings.Builder
	in.WriteString("user\titem\ttimestamp\n")
	it.WriteString("item\n")
	for i := range catalogue {
		fmt.Fprintf(&it, "i%d\n", i)
	}
	for u := range 20 {
		for k := range 8 {
			fmt.Fprintf(&in, "u%d\ti%d\t%d\n", u, (u+k)%catalogue, 1700000000+1000*k+u)
		}
	}
	dir := t.TempDir()
	interactions, items = filepath.Join(dir, "interactions.tsv"), filepath.Join(dir, "items.tsv")
	for path, text := range map[string]string{interactions: in.String(), items: it.String()} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return interactions, items
}

func TestRunQuality(t *testing.T) {
	o := DefaultQualityOptions()
	o.Field = faked(t)
	o.Interactions, o.Items = log(t)
	o.Target, o.Every = 0.25, 2
	q, err := RunQuality(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if q.Cases != 20 || q.Rows != 20 || q.Items != 12 {
		t.Errorf("world of %d questions, %d rows, %d items", q.Cases, q.Rows, q.Items)
	}
	if q.Reached[Go] != 15 || q.Reached[Torch] != 30 || q.Ratio[Go] != 2 || len(q.Curves[Go]) != 3 || q.Curves[Go][2].Epoch != 6 {
		t.Errorf("result %+v", q)
	}
	if table := QualityTable(q); !strings.Contains(table, "15 s, 6 epochs, 2.00 times") {
		t.Errorf("table\n%s", table)
	}
	o.Target, o.Minutes = 0.95, 0.3
	if q, err = RunQuality(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	if len(q.Reached) != 0 || len(q.Curves[Go]) != 4 || len(q.Curves[Torch]) != 2 {
		t.Errorf("out of time: %+v", q)
	}
	if table := QualityTable(q); !strings.Contains(table, "not reached in 20 s and 8 epochs; best 0.4000") {
		t.Errorf("table\n%s", table)
	}
}

func TestFollowing(t *testing.T) {
	items := []int32{1, 2, 3, 4, 5, 6, 7, 8}
	seen := map[int32]bool{}
	for _, row := range following(items, 3) {
		if len(row.Items) > 3 || len(row.Items) != len(row.Targets) {
			t.Errorf("row %+v", row)
		}
		for i, v := range row.Targets {
			if v != row.Items[i]+1 || seen[v] {
				t.Errorf("%d follows %d, or twice", v, row.Items[i])
			}
			seen[v] = true
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d targets: want 7", len(seen))
	}
	if len(following(items[:1], 3)) != 0 {
		t.Error("one item has a row")
	}
}

func TestQualityOptions_Validate(t *testing.T) {
	err := QualityOptions{Field: DefaultOptions()}.Validate()
	for _, want := range []string{"--interactions", "--items", "--target 0", "--minutes 0", "--every 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v: want it to name %s", err, want)
		}
	}
	for _, minutes := range []float64{math.Inf(1), math.NaN(), 1e12} {
		err := QualityOptions{Field: DefaultOptions(), Minutes: minutes}.Validate()
		if want := fmt.Sprintf("--minutes %v", minutes); !strings.Contains(err.Error(), want) {
			t.Errorf("error %v: want it to name %s", err, want)
		}
	}
}
