package chaos

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/softrec/softrec/cmd/softrec/process"
)

// part is one process of the system. It runs until stop, through what is done to it, and is started again when it ends by
// itself, which counts as a crash: softrec's promise is to wait, not to end.
type part struct {
	name    string
	command func() *exec.Cmd
	out     io.Writer
	log     *slog.Logger

	attack sync.Mutex // held by who does something to the part: one at a time

	mu      sync.Mutex
	child   *process.Child
	meant   bool // the end of child is somebody's doing
	started time.Time
	crashes []string
	watch   sync.WaitGroup
}

// start starts the process.
func (p *part) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.startLocked()
}

func (p *part) startLocked() error {
	c, err := process.Start(p.name, p.command(), p.out)
	if err != nil {
		return err
	}
	p.child, p.meant, p.started = c, false, time.Now()
	p.watch.Go(func() { p.guard(c) })
	return nil
}

// guard waits for the end of a child and starts another where nobody meant it to end.
func (p *part) guard(c *process.Child) {
	<-c.Ended()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.meant || p.child != c {
		return
	}
	fault := c.Fault().Error()
	p.log.Error("a part ended by itself", "part", p.name, "error", fault)
	p.crashes = append(p.crashes, fault)
	if err := p.startLocked(); err != nil {
		p.crashes = append(p.crashes, err.Error())
	}
}

// kill ends the process with -9, as it stands.
func (p *part) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meant = true
	p.child.Kill()
}

// killFor kills the process and starts it again after hold.
func (p *part) killFor(ctx context.Context, hold time.Duration) error {
	p.kill()
	wait(ctx, hold)
	return p.start()
}

// pauseFor stops the process where it stands for as long as hold.
func (p *part) pauseFor(ctx context.Context, hold time.Duration) error {
	p.mu.Lock()
	c := p.child
	p.mu.Unlock()
	if err := c.Pause(); err != nil {
		return err
	}
	wait(ctx, hold)
	return c.Continue()
}

// visitFor starts the process and stops it in order after hold.
func (p *part) visitFor(ctx context.Context, hold time.Duration) error {
	if err := p.start(); err != nil {
		return err
	}
	wait(ctx, hold)
	return p.stop(graceful)
}

// end kills the process for good.
func (p *part) end() {
	p.mu.Lock()
	c := p.child
	p.meant = true
	p.mu.Unlock()
	if c != nil {
		c.Kill()
		p.watch.Wait()
	}
}

// stop asks the process to end in order, and kills it after patience.
func (p *part) stop(patience time.Duration) error {
	p.mu.Lock()
	c := p.child
	p.meant = true
	p.mu.Unlock()
	if c == nil {
		return nil
	}
	err := c.Stop(patience)
	p.watch.Wait()
	return err
}

// crashed is how often the process ended by itself, with the words of each time.
func (p *part) crashed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crashes
}

// said is the end of what the process said.
func (p *part) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child == nil {
		return ""
	}
	return p.child.Said()
}

// wait waits for d, or for the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// until asks every few milliseconds, for patience at most.
func until(ctx context.Context, what string, patience time.Duration, ok func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		done, err := ok(ctx)
		if done {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		wait(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: not within %s (%w), last: %v", what, patience, ctx.Err(), last)
		}
	}
}
