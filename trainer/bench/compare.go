package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// compare lets all contestants take turns at all work and prints what came out.
func compare(ctx context.Context, o options, only *regexp.Regexp) error {
	r := result{Load: load(), Threads: o.threads, Rounds: o.rounds}
	var field []*child
	for _, name := range o.contestants {
		c, err := start(ctx, o, name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s is left out: %v\n", name, err)
			continue
		}
		defer func() {
			if err := c.stop(); err != nil && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", c.name, err)
			}
		}()
		field = append(field, c)
		r.Contestants = append(r.Contestants, contestant{c.name, c.about})
		fmt.Printf("%-16s %s\n", c.name, c.about)
	}
	for _, w := range works(o) {
		if !only.MatchString(w.String()) {
			continue
		}
		l, err := takeTurns(ctx, field, w, o.rounds)
		if err != nil {
			return err
		}
		r.Lines = append(r.Lines, l)
		fmt.Fprintf(os.Stderr, "done: %s\n", w)
	}
	r.LoadAfter = load()
	r.table(os.Stdout)
	return r.write(o.json)
}

// takeTurns has each contestant measure once a round, after a turn that is thrown away.
func takeTurns(ctx context.Context, field []*child, w work, rounds int) (line, error) {
	l := line{Work: w.String(), Kind: w.Kind, Batch: w.Batch, MS: map[string][]float64{}}
	for round := range rounds + 1 {
		for _, c := range field {
			if err := ctx.Err(); err != nil {
				return l, err
			}
			turn := w
			if round == 0 {
				turn.Repeat = 1
			}
			ms, err := c.ask(turn)
			if err != nil {
				return l, err
			}
			if round > 0 {
				l.MS[c.name] = append(l.MS[c.name], median(ms))
			}
		}
	}
	return l, nil
}

// load is the system's one-minute load average, or unknown.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
