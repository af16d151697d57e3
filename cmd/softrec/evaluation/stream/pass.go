package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
)

// pass is one way through the log with some contenders.
type pass struct {
	log        *Log
	contenders []rival.Contender
	filter     bool
	warm       int // lines before the first scored one
	progress   Progress
	pace       *pace                                         // when a basket is due; nil: at once
	watch      func(q rival.Question, c int, a rival.Answer) // told every answer, also of the warm-up; nil asks in the warm-up no one

	memory memory
	judges []*judge
	cases  []evaluation.Case
	sums   sums
	warmed bool
}

// sums is what the questions themselves say.
type sums struct {
	questions int
	unseen    int     // targets without an earlier event
	targets   float64 // earlier events of all targets
	reach     float64 // targets that the best possible list of ten would hit
}

// run goes through the log. After it judges and cases say what was answered.
func (p *pass) run(ctx context.Context) error {
	for range p.contenders {
		p.judges = append(p.judges, &judge{})
	}
	for i := range p.log.Baskets {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("play the log: %w", err)
		}
		if err := p.basket(ctx, &p.log.Baskets[i]); err != nil {
			return err
		}
	}
	return nil
}

// basket asks everyone, and only then tells everyone.
func (p *pass) basket(ctx context.Context, b *rival.Basket) error {
	targets := p.targets(b)
	if !p.warmed && p.memory.lines+len(b.Lines) > p.warm {
		p.warmed = true
		for _, c := range p.contenders {
			if w, ok := c.(rival.Warmed); ok {
				w.EndWarmup()
			}
		}
	}
	if err := p.await(ctx, len(targets) > 0); err != nil {
		return fmt.Errorf("play the log: %w", err)
	}
	if len(targets) > 0 || p.watch != nil {
		if err := p.ask(b, targets); err != nil {
			return err
		}
	}
	for c, contender := range p.contenders {
		started := time.Now()
		if err := contender.Learn(ctx, b); err != nil {
			return fmt.Errorf("contender %s: %w", contender.Name(), err)
		}
		p.judges[c].timed(started)
	}
	p.memory.learn(b)
	p.progress.Add(len(b.Lines))
	return nil
}

// await waits until the next basket is due.
func (p *pass) await(ctx context.Context, scored bool) error {
	if p.pace == nil {
		return nil
	}
	late, err := p.pace.await(ctx, p.memory.lines)
	if scored {
		p.pace.asked(late)
	}
	return err
}

// targets are the items of the lines that are scored: those after the warm-up and, where rankings leave out what the user had,
// those the user did not have.
func (p *pass) targets(b *rival.Basket) []int32 {
	var out []int32
	for i, l := range b.Lines {
		if p.memory.lines+i >= p.warm && !(p.filter && p.memory.repeated(b.User, l.Item)) {
			out = append(out, l.Item)
		}
	}
	return out
}

func (p *pass) ask(b *rival.Basket, targets []int32) error {
	q := rival.Question{Number: b.Number, User: b.User, UserID: b.UserID, At: b.At}
	if p.filter {
		q.Had = append([]int32{}, p.memory.of(b.User)...)
	}
	for c, contender := range p.contenders {
		started := time.Now()
		a, err := contender.Answer(q)
		took := p.judges[c].timed(started)
		if err != nil {
			return fmt.Errorf("contender %s: %w", contender.Name(), err)
		}
		if err := p.note(p.judges[c], contender.Name(), q, a, targets); err != nil {
			return err
		}
		if len(targets) > 0 {
			p.judges[c].took = append(p.judges[c].took, float32(took.Seconds()*1000))
		}
		if p.watch != nil {
			p.watch(q, c, a)
		}
	}
	p.count(b, targets)
	return nil
}

func (p *pass) note(j *judge, name string, q rival.Question, a rival.Answer, targets []int32) error {
	if err := check(name, q, a, &p.memory); err != nil || len(targets) == 0 {
		return err
	}
	j.answered(a, &p.memory)
	var errs []error
	for _, item := range targets {
		r, err := rank(name, q, a, item, &p.memory)
		j.ranks, errs = append(j.ranks, r), append(errs, err)
	}
	return errors.Join(errs...)
}

// count notes what the targets are, whoever answers.
func (p *pass) count(b *rival.Basket, targets []int32) {
	if len(targets) == 0 {
		return
	}
	p.sums.questions++
	newcomer := len(p.memory.of(b.User)) == 0
	times := map[int32]int{}
	for _, item := range targets {
		seen := p.memory.seen(item)
		p.cases = append(p.cases, evaluation.Case{
			User: b.User, Repeat: p.memory.repeated(b.User, item), NewUser: newcomer, Cold: seen < evaluation.ColdBelow,
		})
		p.sums.targets += float64(seen)
		if seen == 0 {
			p.sums.unseen++
			continue
		}
		times[item]++
	}
	p.sums.reach += float64(best(times))
}

// best is how many lines a list of ten can hit at most.
func best(times map[int32]int) int {
	var most []int
	for _, n := range times {
		most = append(most, n)
	}
	sum := 0
	for range min(evaluation.Cut, len(most)) {
		at := 0
		for i, n := range most {
			if n > most[at] {
				at = i
			}
		}
		sum += most[at]
		most[at] = 0
	}
	return sum
}
