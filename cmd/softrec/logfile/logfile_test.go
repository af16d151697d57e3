package logfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/softrec/softrec/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shop = "user\titem\ttimestamp\tquantity\tprice\tinvoice\tcountry\n" +
	"17850\t85123A\t1291191960\t6\t2.55\t536365\tUnited Kingdom\r\n" +
	"\n" +
	"17850\t71053\t1291191960\t6\t3.39\t536365\tUnited Kingdom\n"

func rows(t *testing.T, text string) []Row {
	t.Helper()
	in, err := NewInteractions("log.tsv", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var all []Row
	for row, err := range in.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

func TestInteractions_readsColumnsByName(t *testing.T) {
	got := rows(t, shop)
	at := time.Unix(1291191960, 0).UTC()
	want := []Row{
		{2, schema.Event{UserID: "17850", ItemID: "85123A", Type: "view", Timestamp: at, Value: 6, SessionID: "536365", EventID: got[0].Event.EventID}},
		{4, schema.Event{UserID: "17850", ItemID: "71053", Type: "view", Timestamp: at, Value: 6, SessionID: "536365", EventID: got[1].Event.EventID}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows differ (-want +got):\n%s", d)
	}
	if got[0].Event.EventID == got[1].Event.EventID || !strings.HasPrefix(got[0].Event.EventID, "log-2-") {
		t.Errorf("event ids %q and %q", got[0].Event.EventID, got[1].Event.EventID)
	}
	if d := cmp.Diff(got, rows(t, shop)); d != "" {
		t.Errorf("a second reading differs:\n%s", d)
	}
}

func TestInteractions_groupsByTheNamedColumn(t *testing.T) {
	in, err := NewInteractions("log.tsv", strings.NewReader("user\titem\ttimestamp\tsession\tvisit\nu\ta\t1\ts\tv7\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if in.Baskets() {
		t.Error("a session passes for a basket")
	}
	if err := in.GroupBy("bill"); err == nil || err.Error() != `log.tsv:1: bill "": is not in the header` {
		t.Errorf("got %v", err)
	}
	if err := in.GroupBy("visit"); err != nil || !in.Baskets() {
		t.Fatal(err)
	}
	if row, err := in.Next(); err != nil || row.Event.SessionID != "v7" {
		t.Errorf("row %+v, %v", row, err)
	}
}

func TestInteractions_everyWayToWriteATime(t *testing.T) {
	got := rows(t, "timestamp\titem\tuser\ttype\n1.5\ta\tu\tbuy\n1291191960000\ta\tu\t\n2010-12-01T08:26:00Z\ta\tu\tview\n")
	want := []int64{1500, 1291191960000, 1291191960000}
	for i, row := range got {
		if row.Event.Timestamp.UnixMilli() != want[i] {
			t.Errorf("row %d: %s, want %d ms", i, row.Event.Timestamp, want[i])
		}
	}
	if got[0].Event.Type != "buy" || got[1].Event.Type != schema.DefaultType {
		t.Errorf("types %q and %q", got[0].Event.Type, got[1].Event.Type)
	}
}

func TestInteractions_syntheticClock(t *testing.T) {
	got := rows(t, "user\titem\tpos\tsplit\n1\t1\t0\ttrain\n1\t2\t7\ttest\n")
	if !got[0].Event.Timestamp.Equal(Epoch) || got[1].Event.Timestamp.Sub(Epoch) != 7*time.Second {
		t.Errorf("times %s and %s", got[0].Event.Timestamp, got[1].Event.Timestamp)
	}
}

func TestInteractions_faultsNameFileLineColumnAndValue(t *testing.T) {
	head := "user\titem\ttimestamp\tquantity\n"
	cases := map[string]string{
		"":                               "log.tsv:1: is empty: the first line must name the columns",
		"a\tb\n":                         "log.tsv:1: user \"\": is not in the header\nlog.tsv:1: item \"\": is not in the header\nlog.tsv:1: timestamp \"\": is not in the header, nor is pos",
		"user\tuser\n":                   `log.tsv:1: user "user": stands twice in the header`,
		head + "u\ti\t1\n":               "log.tsv:2: has 3 columns, the header has 4",
		head + "u\ti\tsoon\t1\n":         `log.tsv:2: timestamp "soon": is neither Unix seconds nor milliseconds nor RFC 3339`,
		head + "u\ti\t-1\t1\n":           `log.tsv:2: timestamp "-1": lies outside what softrec stores`,
		head + "u\ti\tNaN\t1\n":          `log.tsv:2: timestamp "NaN": lies outside what softrec stores`,
		head + "u\ti\t1\tsix\n":          `log.tsv:2: quantity "six": is not a number`,
		head + "u\ti\t1\tInf\n":          `log.tsv:2: quantity "+Inf": is not a finite number`,
		head + "u\ti\t1\t1\n\ti\t1\t1\n": `log.tsv:3: user "": is required`,
		"user\titem\tpos\nu\ti\t-1\n":    `log.tsv:2: pos "-1": is not a place in a history: a whole number from 0 on`,
		head + strings.Repeat("x", maxLine+1) + "\n": "log.tsv:2: is longer than 1048576 bytes",
	}
	for text, want := range cases {
		in, err := NewInteractions("log.tsv", strings.NewReader(text))
		for err == nil {
			_, err = in.Next()
		}
		if err.Error() != want {
			t.Errorf("%.40q:\n got %v\nwant %s", text, err, want)
		}
		var fault *Error
		if !errors.As(err, &fault) || fault.File != "log.tsv" {
			t.Errorf("%.40q: %v is no *Error", text, err)
		}
	}
}

func TestOpen_packedFiles(t *testing.T) {
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{g, z} {
		if _, err := io.WriteString(w, shop); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{"plain.tsv": []byte(shop), "log.gz": gz.Bytes(), "log.zst": zs.Bytes(), "zst-without-its-ending": zs.Bytes()} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := OpenInteractions(path)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range in.All() {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			n++
		}
		if err := in.Close(); err != nil || n != 2 {
			t.Errorf("%s: %d rows, close %v", name, n, err)
		}
	}
	if _, err := OpenInteractions("no-such.tsv"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestInteractions_cutOffPackedFile(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range 1000 {
		if _, err := io.WriteString(z, "user\titem\ttimestamp\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Flush(); err != nil {
		t.Fatal(err)
	}
	in, err := NewInteractions("log.gz", &b)
	for err == nil {
		_, err = in.Next()
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("a file that breaks off reads as a whole one")
	}
}

func TestItems(t *testing.T) {
	in, err := NewItems("items.tsv", strings.NewReader("item\ttitle\tyear\tgenres\tcode\n1\tRaiders\t1981\tAction Adventure Action\t007\n2\t\t\ta|b c\tx\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []schema.Item
	for item, err := range in.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, item)
	}
	want := []schema.Item{
		{ID: "1", Title: "Raiders", Categories: []string{"Action", "Adventure"}, Attributes: map[string]any{"year": 1981.0, "code": "007"}},
		{ID: "2", Categories: []string{"a", "b c"}, Attributes: map[string]any{"code": "x"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("items differ (-want +got):\n%s", d)
	}
}

func TestItems_faults(t *testing.T) {
	for text, want := range map[string]string{
		"id_\ttitle\n":               `items.tsv:1: item "": is not in the header`,
		"item\ttitle\n\tx\n":         `items.tsv:2: item "": is required`,
		"item\ttitle\na\tx\x01\n":    `items.tsv:2: title "x\x01": holds the control character U+0001 at byte 1`,
		"item\tgenres\na\tx\x02|b\n": `items.tsv:2: genres "x\x02": holds the control character U+0002 at byte 1`,
	} {
		in, err := NewItems("items.tsv", strings.NewReader(text))
		for err == nil {
			_, err = in.Next()
		}
		if err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func FuzzInteractions(f *testing.F) {
	f.Add([]byte(shop))
	f.Add([]byte("user\titem\tpos\n1\t1\t0\n"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := NewInteractions("log", bytes.NewReader(b))
		if err != nil {
			return
		}
		defer in.Close()
		line := 1
		for row, err := range in.All() {
			if err != nil {
				return
			}
			if err := row.Event.Validate(); err != nil {
				t.Fatalf("line %d: an invalid event came out: %v", row.Line, err)
			}
			if row.Line <= line {
				t.Fatalf("line %d follows line %d", row.Line, line)
			}
			line = row.Line
		}
	})
}

func FuzzItems(f *testing.F) {
	f.Add([]byte("item\ttitle\tyear\tgenres\n1\tRaiders\t1981\tAction Adventure\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := NewItems("items", bytes.NewReader(b))
		if err != nil {
			return
		}
		defer in.Close()
		for item, err := range in.All() {
			if err != nil {
				return
			}
			if err := item.Validate(); err != nil {
				t.Fatalf("an invalid item came out: %v", err)
			}
		}
	})
}

func TestMeasure_noMoreThanItsLimit(t *testing.T) {
	const log = "user\titem\ttimestamp\nanna\tteapot\t200\nben\tteapot\t100\nanna\tlantern\t300\n"
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	for limit, want := range map[int64]Span{0: {3, at(100), at(300)}, 1: {1, at(200), at(200)}, 2: {2, at(100), at(200)}, 4: {3, at(100), at(300)}} {
		in, err := NewInteractions("log.tsv", strings.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Measure(in, limit); err != nil || got != want {
			t.Errorf("of %d rows: %+v, %v, want %+v", limit, got, err, want)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}
