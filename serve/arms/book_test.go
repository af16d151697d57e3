package arms

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/softrec/softrec/serve/rules"
)

func anything(rules.Spec) error { return nil }

func decode(t *testing.T, text string) *Book {
	t.Helper()
	b, err := Decode([]byte(text), anything)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func name(a *Arm) string {
	if a == nil {
		return "live"
	}
	return a.Name
}

// Shares are met, users keep their arm when an arm is added behind the others, and a new salt draws anew.
func TestBook_usersAreSpreadByShares(t *testing.T) {
	b := decode(t, `{"salt":"one","arms":[{"name":"a","share":0.2},{"name":"b","share":0.5}]}`)
	wider := decode(t, `{"salt":"one","arms":[{"name":"a","share":0.2},{"name":"b","share":0.5},{"name":"c","share":0.1}]}`)
	other := decode(t, `{"salt":"two","arms":[{"name":"a","share":0.2},{"name":"b","share":0.5}]}`)
	const n = 20_000
	got, moved := map[string]float64{}, 0
	for i := range n {
		user := fmt.Sprintf("user-%d", i)
		arm := name(b.Of(user))
		got[arm] += 1.0 / n
		if arm != "live" && name(wider.Of(user)) != arm {
			t.Fatalf("%s moved from %s to %s", user, arm, name(wider.Of(user)))
		}
		if name(other.Of(user)) != arm {
			moved++
		}
	}
	for arm, share := range map[string]float64{"a": 0.2, "b": 0.5, "live": 0.3} {
		if math.Abs(got[arm]-share) > 4*math.Sqrt(share*(1-share)/n) {
			t.Errorf("%s has a share of %.4f, want %g", arm, got[arm], share)
		}
	}
	if want := 1 - 0.04 - 0.25 - 0.09; math.Abs(float64(moved)/n-want) > 0.02 {
		t.Errorf("another salt moves %d of %d users", moved, n)
	}
}

// The assignment is a contract between processes and versions: these users have had these arms since the first release.
func TestBook_assignmentsStay(t *testing.T) {
	b := decode(t, `{"salt":"s","arms":[{"name":"a","share":0.25},{"name":"b","share":0.25},{"name":"c","share":0.25}],"shadows":[{"name":"x","share":0.5}]}`)
	var arms, shadows []string
	for i := range 12 {
		arms = append(arms, name(b.Of(fmt.Sprint("u", i))))
		shadows = append(shadows, fmt.Sprint(len(b.Shadowing(fmt.Sprint("r", i)))))
	}
	if got := strings.Join(arms, " "); got != "c live live live a live b live b a live c" {
		t.Errorf("arms %s", got)
	}
	if got := strings.Join(shadows, " "); got != "0 0 0 0 0 1 0 0 0 1 1 0" {
		t.Errorf("shadows %s", got)
	}
}

func TestDecode_namesArmAndField(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "want an object",
		`{"arms":[{"name":"a","share":0.1,"colour":1}]}`: `unknown field "colour"`,
		`{}`:                                      "want at least one arm",
		`{"arms":[{"name":"","share":0.1}]}`:      `arms[0].name ""`,
		`{"arms":[{"name":"live","share":0.1}]}`:  `arms[0].name "live": want a name that no other arm has`,
		`{"arms":[{"name":"older","share":0.1}]}`: `arms[0].name "older": want a name that no other arm has`, // its totals would be those of others too
		`{"arms":[{"name":"a","share":0.1},{"name":"a","share":0.1}]}`: `arms[1].name "a"`,
		`{"arms":[{"name":"a","share":1.5}]}`:                          "arms[0].share 1.5: want 0 to 1",
		`{"arms":[{"name":"a","share":0.7},{"name":"b","share":0.7}]}`: "shares sum up to 1.4",
		`{"arms":[{"name":"a","share":0.1,"ranking":"luck"}]}`:         `arms[0].ranking "luck": want model, counts or popular`,
		`{"shadows":[{"name":"a","share":0.1,"rules":{"after":"x"}}]}`: "shadows[0].rules",
		`{"arms":[{"name":"a","share":0.1,"rules":{"filter":"bad"}}]}`: "arms[0].rules: no such filter",
		`{"arms":[null]}`: "entry 1 is null: want an object",
	} {
		_, err := Decode([]byte(text), func(s rules.Spec) error {
			if s.Filter == "bad" {
				return errors.New("no such filter")
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}
