package validate

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Verdict is what a check says.
type Verdict string

// The verdicts, from good to bad. FAIL means that softrec cannot use the events as they are, or would learn nothing from them.
const (
	Pass Verdict = "PASS"
	Warn Verdict = "WARN"
	Fail Verdict = "FAIL"
)

// Offender is one row that a check complains of.
type Offender struct {
	Where  string `json:"where"`
	Reason string `json:"reason"`
}

// Check is one question that was asked of the events.
type Check struct {
	Name      string     `json:"name"`
	Verdict   Verdict    `json:"verdict"`
	Finding   string     `json:"finding"`             // what was found, in a sentence with figures
	Hint      string     `json:"hint,omitempty"`      // what to do, where the verdict is not PASS
	Offenders []Offender `json:"offenders,omitempty"` // the first of them
}

// Report is the answer to all checks.
type Report struct {
	Source string  `json:"source"`
	Rows   int     `json:"rows"`
	Users  int     `json:"users"`
	Items  int     `json:"items"`
	From   string  `json:"from,omitempty"` // time of the oldest usable event, RFC 3339
	To     string  `json:"to,omitempty"`   // of the newest
	Checks []Check `json:"checks"`
}

// Worst returns the worst verdict.
func (r Report) Worst() Verdict {
	worst := Pass
	for _, c := range r.Checks {
		if c.Verdict == Fail || c.Verdict == Warn && worst == Pass {
			worst = c.Verdict
		}
	}
	return worst
}

// Write writes r for people.
func (r Report) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d rows, %d users, %d items", r.Source, r.Rows, r.Users, r.Items)
	if r.From != "" {
		fmt.Fprintf(&b, ", %s to %s", r.From, r.To)
	}
	b.WriteString("\n\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(table, "%s\t%s\t%s\n", c.Verdict, c.Name, c.Finding)
		for _, o := range c.Offenders {
			fmt.Fprintf(table, "\t\t  %s: %s\n", o.Where, o.Reason)
		}
		if c.Hint != "" && c.Verdict != Pass {
			fmt.Fprintf(table, "\t\t  -> %s\n", c.Hint)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	// #nosec G101 -- verdicts, no secrets
	fmt.Fprintf(&b, "\n%s\n", map[Verdict]string{
		Pass: "PASS: softrec can use these events.",
		Warn: "PASS with warnings: softrec can use these events; look at the warnings.",
		Fail: "FAIL: mend what failed first.",
	}[r.Worst()])
	_, err := io.WriteString(w, b.String())
	return err
}
