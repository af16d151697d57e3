package pairs

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asContestant makes the test binary a contestant.
const asContestant = "SOFTREC_TEST_CONTESTANT"

type number struct {
	N int `json:"n"`
}

func TestMain(m *testing.M) {
	if os.Getenv(asContestant) == "" {
		os.Exit(m.Run())
	}
	_, _ = os.Stdout.WriteString("a notice of some library\n{not json\n\n")
	err := Serve("doubles", os.Stdin, os.Stdout, func(q []byte) (any, error) {
		var n number
		if err := json.Unmarshal(q, &n); err != nil {
			return nil, err
		}
		if n.N < 0 {
			return nil, errors.New("n is negative")
		}
		return number{2 * n.N}, nil
	})
	if err != nil {
		os.Exit(1)
	}
}

func contestant(t *testing.T) *Child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asContestant+"=1")
	c, err := Start("doubler", cmd)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChild_answersAndTellsFaults(t *testing.T) {
	c := contestant(t)
	if c.About != "doubles" {
		t.Errorf("it says %q of itself", c.About)
	}
	for n := range 3 {
		var got number
		if err := c.Ask(number{n}, &got); err != nil || got.N != 2*n {
			t.Errorf("answer to %d: %d, %v", n, got.N, err)
		}
	}
	if err := c.Ask(number{-1}, &number{}); err == nil || !strings.Contains(err.Error(), "doubler: n is negative") {
		t.Errorf("fault %v", err)
	}
	var got number
	if err := c.Ask(number{4}, &got); err != nil || got.N != 8 {
		t.Errorf("after a fault: %d, %v", got.N, err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if err := c.Ask(number{1}, &got); err == nil {
		t.Error("a stopped contestant answered")
	}
}

func TestStart_saysWhoDidNotCome(t *testing.T) {
	if _, err := Start("nobody", exec.CommandContext(t.Context(), "softrec-no-such-program")); err == nil || !strings.Contains(err.Error(), "start nobody") {
		t.Errorf("error %v", err)
	}
	if _, err := Start("mute", exec.CommandContext(t.Context(), "true")); err == nil || !strings.Contains(err.Error(), "mute ended without an answer") {
		t.Errorf("error %v", err)
	}
}

func TestServe_endsWithItsInput(t *testing.T) {
	var out bytes.Buffer
	if err := Serve("x", strings.NewReader("a\nb\n"), &out, func(q []byte) (any, error) { return string(q), nil }); err != nil {
		t.Fatal(err)
	}
	if want := "{\"ready\":\"x\"}\n\"a\"\n\"b\"\n"; out.String() != want {
		t.Errorf("said %q: want %q", out.String(), want)
	}
}

func TestSpread(t *testing.T) {
	list := []float64{5, 1, 3, 2, 4}
	if got, want := SpreadOf(list), (Spread{Median: 3, Low: 2, High: 4, Min: 1, Max: 5}); got != want {
		t.Errorf("%+v: want %+v", got, want)
	}
	if list[0] != 5 {
		t.Error("the list was sorted in place")
	}
	if got := SpreadOf([]float64{4, 1}); got.Median != 2.5 {
		t.Errorf("median of two is %v", got.Median)
	}
	if SpreadOf(nil) != (Spread{}) || SpreadOf([]float64{7}).High != 7 {
		t.Error("short lists")
	}
}

// A machine that slows a whole round down changes no ratio.
func TestRatios_arePaired(t *testing.T) {
	for _, r := range Ratios([]float64{10, 100, 1000}, []float64{5, 50, 500}) {
		if r != 2 {
			t.Errorf("ratio %v: want 2", r)
		}
	}
}

func TestLoad(t *testing.T) {
	if Load() == "" {
		t.Error("no word at all")
	}
}
