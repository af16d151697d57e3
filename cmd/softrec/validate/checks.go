package validate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of the checks, as shares. They are stated in the findings; none of them is a property of softrec's own.
const (
	badFails       = 0.05 // unusable rows: more is a fault of the producer, not noise
	doubledWarns   = 0.01 // repetitions to the millisecond
	lateWarns      = 0.01 // events that would be dropped as late
	heavyWarns     = 0.10 // one user's share of all events
	returningFails = 0.01 // users with more than one basket: without them there is nothing to learn from order
	returningWarns = 0.10 //
	unknownWarns   = 0.10 // events with items that the catalogue lacks
	manyTypes      = 100  // kinds of interactions
)

func (t *tally) report() Report {
	r := Report{Source: t.opts.Source, Rows: t.rows, Users: len(t.users), Items: len(t.items)}
	r.Checks = append(r.Checks, t.readable())
	good := t.rows - t.bad.n
	if good == 0 {
		return r
	}
	r.From, r.To = t.from.Format(time.RFC3339), t.to.Format(time.RFC3339)
	r.Checks = append(r.Checks, t.enough(good), t.several(), t.times(good), t.ahead(), t.order(good), t.repetitions(good), t.identity(good), t.returning(), t.heavy(good), t.kinds())
	if t.opts.Topic {
		r.Checks = append(r.Checks, t.keys(good))
	}
	if t.opts.Known != nil {
		r.Checks = append(r.Checks, t.catalogue(good))
	}
	return r
}

func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

func percent(n, of int) string { return fmt.Sprintf("%d (%.2f %%)", n, 100*share(n, of)) }

// judge picks a verdict for a share: FAIL from fail on, WARN from warn on; a bound of 0 is no bound.
func judge(s, warn, fail float64) Verdict {
	switch {
	case fail > 0 && s >= fail:
		return Fail
	case warn > 0 && s >= warn:
		return Warn
	default:
		return Pass
	}
}

func (t *tally) readable() Check {
	c := Check{Name: "rows can be read", Verdict: judge(share(t.bad.n, t.rows), 1e-12, badFails), Offenders: t.bad.first,
		Finding: fmt.Sprintf("%s of %d rows cannot be used", percent(t.bad.n, t.rows), t.rows),
		Hint:    "they would go to the dead letters; required are user_id, item_id and timestamp (RFC 3339, Unix seconds or milliseconds)"}
	if len(t.badFields) > 0 {
		var fields []string
		for _, f := range slices.Sorted(maps.Keys(t.badFields)) {
			fields = append(fields, fmt.Sprintf("%s %d", cmp.Or(f, "whole row"), t.badFields[f]))
		}
		c.Finding += ": " + strings.Join(fields, ", ")
	}
	return c
}

func (t *tally) enough(good int) Check {
	c := Check{Name: "enough events", Verdict: Pass, Finding: fmt.Sprintf("%d events; the first model goes live after %d", good, t.opts.Bootstrap)}
	if good < t.opts.Bootstrap {
		c.Verdict, c.Hint = Warn, "answers come from the catalogue until then; trainer.bootstrap_events may be lowered"
	}
	return c
}

func (t *tally) several() Check {
	c := Check{Name: "users and items", Verdict: Pass, Finding: fmt.Sprintf("%d users, %d items", len(t.users), len(t.items))}
	if len(t.users) < 2 || len(t.items) < 2 {
		c.Verdict, c.Hint = Fail, "one user or one item alone usually means that a constant stands where an id should"
	}
	return c
}

func (t *tally) times(good int) Check {
	c := Check{Name: "timestamps", Verdict: Pass, Finding: fmt.Sprintf("%s to %s", t.from.Format(time.RFC3339), t.to.Format(time.RFC3339)), Offenders: t.epoch.first}
	switch {
	case t.epoch.n > 0:
		c.Verdict = judge(share(t.epoch.n, good), 1e-12, badFails)
		c.Finding += fmt.Sprintf("; %s of 1970", percent(t.epoch.n, good))
		c.Hint = "numbers from 100000000000 on are milliseconds, below it seconds: look at the unit"
	case t.from.Equal(t.to) && good > 1:
		c.Verdict, c.Hint = Fail, "all events have the same time: softrec learns from their order"
	}
	return c
}

func (t *tally) ahead() Check {
	return Check{Name: "not in the future", Verdict: judge(float64(t.future.n), 1, 0), Offenders: t.future.first,
		Finding: fmt.Sprintf("%d lie more than %s ahead of the clock", t.future.n, t.opts.MaxFuture), Hint: "they would go to the dead letters: look at the producer's clock"}
}

func (t *tally) order(good int) Check {
	return Check{Name: "order within a user", Verdict: judge(share(t.late.n, good), lateWarns, 0), Offenders: t.late.first,
		Finding: fmt.Sprintf("%s lie more than %s behind an earlier row of their user", percent(t.late.n, good), t.opts.Lateness),
		Hint:    "in this order they would be dropped as late: sort the log by time before it is replayed, or raise window.lateness"}
}

func (t *tally) repetitions(good int) Check {
	return Check{Name: "nothing twice", Verdict: judge(share(t.doubled.n, good), doubledWarns, 0), Offenders: t.doubled.first,
		Finding: fmt.Sprintf("%s repeat user, item, type and time of an earlier row", percent(t.doubled.n, good)),
		Hint:    "a producer that retries needs an event_id, else both count"}
}

func (t *tally) identity(good int) Check {
	c := Check{Name: "event ids", Verdict: judge(float64(t.sameID.n), 0, 1), Offenders: t.sameID.first,
		Finding: fmt.Sprintf("%s have none, %d stand for different events of one user", percent(t.noID, good), t.sameID.n)}
	switch {
	case t.sameID.n > 0:
		c.Hint = "the second event of an id is dropped: ids must be unique"
	case t.noID > 0 && t.opts.Topic:
		c.Verdict, c.Hint = Warn, "without an id a record that a producer sends twice counts twice"
	}
	return c
}

func (t *tally) returning() Check {
	n := 0
	for _, u := range t.users {
		if u.baskets > 1 {
			n++
		}
	}
	s := share(n, len(t.users))
	c := Check{Name: "users come back", Verdict: Pass, Finding: fmt.Sprintf("%s of %d users did something at more than one time", percent(n, len(t.users)), len(t.users))}
	if s < returningWarns {
		c.Verdict, c.Hint = Warn, "few users have a past: answers will be popularity for most; a session_id as user_id may tell more"
	}
	if s < returningFails {
		c.Verdict = Fail
	}
	return c
}

func (t *tally) heavy(good int) Check {
	name, most := "", 0
	for id, u := range t.users {
		if u.events > most || u.events == most && id < name {
			name, most = id, u.events
		}
	}
	return Check{Name: "no user outweighs the rest", Verdict: judge(share(most, good), heavyWarns, 0),
		Finding: fmt.Sprintf("user %q has %s of the events", name, percent(most, good)), Hint: "a robot, or one id for all visitors who are not logged in: leave it out"}
}

func (t *tally) kinds() Check {
	names := slices.SortedFunc(maps.Keys(t.types), func(a, b string) int { return cmp.Or(t.types[b]-t.types[a], cmp.Compare(a, b)) })
	shown := make([]string, 0, 5)
	for _, n := range names[:min(5, len(names))] {
		shown = append(shown, fmt.Sprintf("%s %d", n, t.types[n]))
	}
	c := Check{Name: "types", Verdict: Pass, Finding: fmt.Sprintf("%d: %s", len(names), strings.Join(shown, ", "))}
	if len(names) > manyTypes {
		c.Verdict, c.Hint = Warn, "a type is a kind of interaction (view, purchase), not a text of its own"
	}
	return c
}

func (t *tally) keys(good int) Check {
	return Check{Name: "records are keyed by user", Verdict: judge(share(t.rekeyed.n, good), 1e-12, 0), Offenders: t.rekeyed.first,
		Finding: fmt.Sprintf("%s have another key than their user_id", percent(t.rekeyed.n, good)),
		Hint:    "a user's records then lie in several partitions and their order is that of their timestamps alone; the key should be the user id, hashed as Java clients do (murmur2)"}
}

func (t *tally) catalogue(good int) Check {
	cat := t.opts.Catalogue
	c := Check{Name: "items are in the catalogue", Verdict: judge(share(t.unknown.n, good), unknownWarns, 0), Offenders: t.unknown.first,
		Finding: fmt.Sprintf("%s of the events have an item that is not among its %d; %d without a title, %d unusable", percent(t.unknown.n, good), cat.Items, cat.Untitled, cat.BadItems),
		Hint:    "such items can be recommended, but filters and titles do not know them"}
	if cat.BadItems > 0 {
		c.Verdict = max(c.Verdict, Warn)
		c.Offenders = append(slices.Clone(cat.Bad), c.Offenders...)
	}
	return c
}
