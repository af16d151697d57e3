package window

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/softrec/softrec/schema"
)

func TestDecodeText_refuses(t *testing.T) {
	const good = "5\ta\tview\t\t0:1\t\t#\n"
	for _, c := range []struct{ blob, want string }{
		{"5", `entry 0: "5" has no line end`},
		{"\n", `entry 0: "" has 1 columns, want 7`},
		{good + "5\ta\tview\t\t0:1\t\t#", "entry 1: \"5\\ta"},
		{"5\ta\tview\t\t0:1\t\n", "has 6 columns, want 7"},
		{"5\ta\tview\t\t0:1\t\t#\t\n", "has more than 7 columns"},
		{"x\ta\tview\t\t0:1\t\t#\n", `timestamp: strconv.ParseInt: parsing "x"`},
		{"5\t\tview\t\t0:1\t\t#\n", `item_id "": is required`},
		{"5\ta\tview\tmuch\t0:1\t\t#\n", `value: strconv.ParseFloat: parsing "much"`},
		{"5\ta\tview\tNaN\t0:1\t\t#\n", `value NaN: is not finite`},
		{"5\ta\tview\t\t01\t\t#\n", `place "01": want partition:offset`},
		{"5\ta\tview\t\t0:y\t\t#\n", `offset: strconv.ParseInt: parsing "y"`},
		{"5\ta\tview\t\t-1:1\t\t#\n", `place -1:1`},
		{"5\ta\tview\t\t0:1\t\tid\n", `event id "id" does not start with #`},
		{good + "4\ta\tview\t\t0:1\t\t#\n", "entry 1: is older than the one before it"},
		{strings.Repeat("x", 500), strings.Repeat("x", 80) + "..."},
	} {
		if _, err := decodeText(c.blob); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.blob, err, c.want)
		}
	}
}

// appendEntry appends the line of e as earlier builds wrote it.
func appendEntry(b []byte, e schema.Interaction) []byte {
	b = strconv.AppendInt(b, e.Timestamp.UnixMilli(), 10)
	b = append(b, '\t')
	b = append(b, e.ItemID...)
	b = append(b, '\t')
	b = append(b, e.Type...)
	b = append(b, '\t')
	if e.Value != 0 {
		b = strconv.AppendFloat(b, e.Value, 'g', -1, 64)
	}
	b = append(b, '\t')
	b = strconv.AppendInt(b, int64(e.Partition), 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, e.Offset, 10)
	b = append(b, '\t')
	b = append(b, e.SessionID...)
	b = append(b, '\t', '#')
	b = append(b, e.EventID...)
	return append(b, '\n')
}

func FuzzDecodeText(f *testing.F) {
	f.Add("")
	f.Add("5\ta\tview\t1.5\t0:1\ts\t#e\n6\tb\tbuy\t\t12:900\t\t#\n")
	f.Add("5\ta\tview\t1e400\t0:1\ts\t#e\n")
	f.Add("\t\t\t\t\t\t#\n")
	f.Fuzz(func(t *testing.T, blob string) {
		first, err := decodeText(blob)
		if err != nil {
			return
		}
		// What was read can be kept in the present form.
		b, err := (&State{entries: first}).MarshalBinary()
		if err != nil {
			t.Fatalf("%q was read, and not written: %v", blob, err)
		}
		var back State
		if err := back.UnmarshalBinary(b); err != nil {
			t.Fatalf("%q: %v", blob, err)
		}
		if diff := cmp.Diff(first, back.Window("u").Entries, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q: %s", blob, diff)
		}
	})
}
