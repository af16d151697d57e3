package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/softrec/softrec/schema"
)

// Seen says which items of the user's window are left out: those with an interaction that any of its rules covers. It is written
// as `view:7d,purchase:365d`, `purchase:*` (however old), `*:12h` (of any type), or true and false for everything and nothing.
type Seen []SeenRule

// SeenRule covers interactions of a type, AnyType for all, that are no older than Within, 0 for any age.
type SeenRule struct {
	Type   string
	Within time.Duration
}

// AnyType is every type of interaction.
const AnyType = "*"

// maxAge keeps ages from overflowing; it is longer than timestamps go back.
const maxAge = 100 * 365 * 24 * time.Hour

// ParseSeen reads the text form.
func ParseSeen(text string) (Seen, error) {
	switch strings.TrimSpace(text) {
	case "false", "":
		return Seen{}, nil
	case "true":
		return Seen{{Type: AnyType}}, nil
	}
	var seen Seen
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		at := strings.LastIndexByte(part, ':') // a type may hold one, an age does not
		if at < 1 || at > schema.MaxTypeLen {
			return nil, fmt.Errorf("want true, false, or types with ages such as view:7d,purchase:*, but %q is none", short(part))
		}
		rule := SeenRule{Type: strings.TrimSpace(part[:at])}
		if age := strings.TrimSpace(part[at+1:]); age != "*" {
			var err error
			if rule.Within, err = parseAge(age); err != nil {
				return nil, fmt.Errorf("%q: %w", short(part), err)
			}
		}
		seen = append(seen, rule)
	}
	return seen, nil
}

// parseAge reads a duration as Go writes it, or whole days such as 7d.
func parseAge(text string) (time.Duration, error) {
	var d time.Duration
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, errors.New("want an age such as 30m, 12h or 7d")
		}
		d = time.Duration(n) * 24 * time.Hour
	} else {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			return 0, errors.New("want an age such as 30m, 12h or 7d")
		}
	}
	if d <= 0 || d > maxAge {
		return 0, errors.New("want an age above 0 and up to 36500d")
	}
	return d, nil
}

// String is the text form that ParseSeen reads.
func (s Seen) String() string {
	if len(s) == 0 {
		return "false"
	}
	if s.All() {
		return "true"
	}
	parts := make([]string, len(s))
	for i, r := range s {
		parts[i] = r.Type + ":*"
		if r.Within > 0 {
			parts[i] = r.Type + ":" + r.Within.String()
		}
	}
	return strings.Join(parts, ",")
}

// MarshalJSON writes true, false or the text form.
func (s Seen) MarshalJSON() ([]byte, error) {
	switch text := s.String(); text {
	case "true", "false":
		return []byte(text), nil
	default:
		return json.Marshal(text)
	}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Seen) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	} else if text != "true" && text != "false" {
		return errors.New("filter_seen: want true, false or text such as \"view:7d,purchase:*\"")
	}
	out, err := ParseSeen(text)
	if err != nil {
		return fmt.Errorf("filter_seen: %w", err)
	}
	*s = out
	return nil
}

// All reports whether it is the plain true: everything in the window.
func (s Seen) All() bool { return len(s) == 1 && s[0] == SeenRule{Type: AnyType} }

// covers reports whether a rule covers an interaction at now.
func (r SeenRule) covers(in schema.Interaction, now time.Time) bool {
	return (r.Type == AnyType || r.Type == in.Type) && (r.Within == 0 || now.Sub(in.Timestamp) <= r.Within)
}

// Items are the items of history that it leaves out at now, nil for none.
func (s Seen) Items(history []schema.Interaction, now time.Time) map[string]struct{} {
	var out map[string]struct{}
	for _, in := range history {
		for _, r := range s {
			if r.covers(in, now) {
				if out == nil {
					out = make(map[string]struct{}, len(history))
				}
				out[in.ItemID] = struct{}{}
				break
			}
		}
	}
	return out
}

// counts is how many interactions each rule covers: as a window ages that alone tells what it leaves out apart.
func (s Seen) counts(history []schema.Interaction, now time.Time) []int {
	out := make([]int, len(s))
	for i, r := range s {
		for _, in := range history {
			if r.covers(in, now) {
				out[i]++
			}
		}
	}
	return out
}
