package chaos

import (
	"errors"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/chaos/audit"
)

// Each thing that must not happen makes a run fail by itself, and the error says how often it did; what may happen does not.
func TestResult_fault(t *testing.T) {
	for want, r := range map[string]Result{
		"":                               {Requests: Requests{Count: 9, Degraded: 7, Retried: 5}, Log: Log{Repeated: 3}, DeadLetters: DeadLetters{Due: 4}, Kills: 2},
		"1 interactions lost":            {Verdict: audit.Verdict{Lost: 1}},
		"2 doubled":                      {Verdict: audit.Verdict{Doubled: 2}},
		"3 misplaced":                    {Verdict: audit.Verdict{Misplaced: 3}},
		"4 that were never due":          {Verdict: audit.Verdict{Strange: 4}},
		"5 windows wrong":                {Verdict: audit.Verdict{Wrong: 5}},
		"6 dead letters missing":         {DeadLetters: DeadLetters{Due: 9, Missing: 6}},
		"7 acknowledged records missing": {Log: Log{Records: 9, Missing: 7}},
		"1 requests without an answer":   {Requests: Requests{Count: 4567, Failed: 1}},
		"2 parts ended by themselves or never recovered": {Crashes: []string{"a", "b"}},
	} {
		err := r.fault()
		if want == "" {
			if err != nil {
				t.Errorf("a run that kept its promises: %v", err)
			}
			continue
		}
		if !errors.Is(err, errUnclean) || !strings.Contains(err.Error(), ": "+want) || strings.Contains(err.Error(), ", ") {
			t.Errorf("got %v, want %q alone", err, want)
		}
	}
}
