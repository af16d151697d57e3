// Package process runs commands as child processes that may be killed, paused and started again at any moment: what `softrec
// chaos` breaks, and what `softrec bench ingest` counts.
//
// It owns each child from Start to the end of Kill or Stop, and keeps the end of what it said. It promises that a child whose
// Kill or Stop has returned is gone. It starts one goroutine a child, which waits for its end. Pausing needs a Unix system.
package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// said is how much of a child's last words is kept, bytes.
const said = 8 << 10

// Child is a running command.
type Child struct {
	Name string

	cmd   *exec.Cmd
	ended chan struct{} // closed once err stands

	mu   sync.Mutex
	tail []byte
	log  io.Writer // nil: the tail alone
	err  error
}

// Start starts cmd under a name. Its output goes to log, which may be nil, and its end is kept for errors.
func Start(name string, cmd *exec.Cmd, log io.Writer) (*Child, error) {
	c := &Child{Name: name, cmd: cmd, ended: make(chan struct{}), log: log}
	cmd.Stdout, cmd.Stderr = c, c
	cmd.WaitDelay = 2 * time.Second // a grandchild may hold the pipe open
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		c.err = cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// Write takes what the child says.
func (c *Child) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tail = append(c.tail, b...)
	if over := len(c.tail) - said; over > 0 {
		c.tail = c.tail[over:]
	}
	if c.log != nil {
		_, _ = c.log.Write(b) // a full disk under the log is no reason to end a child
	}
	return len(b), nil
}

// Said is the end of what the child has said.
func (c *Child) Said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.tail)
}

// Ended is closed once the child is gone.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Alive reports whether the child still runs, paused or not.
func (c *Child) Alive() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// Fault says how a child that should run has ended, with its last words.
func (c *Child) Fault() error {
	return fmt.Errorf("%s ended by itself (%v); it said last:\n%s", c.Name, c.err, c.Said())
}

// Kill ends the child as kill -9 does, paused or not: no handler of it runs.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill() // fails only where it is gone already
	<-c.ended
}

// Stop asks the child to end and kills it after patience. The error says that it did not end by itself, or not well.
func (c *Child) Stop(patience time.Duration) error {
	_ = c.Continue()
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		c.Kill()
		return nil // it was gone
	}
	select {
	case <-c.ended:
		if c.err != nil {
			return fmt.Errorf("%s: %w; it said last:\n%s", c.Name, c.err, c.Said())
		}
		return nil
	case <-time.After(patience):
		c.Kill()
		return fmt.Errorf("%s did not end within %s and was killed; it said last:\n%s", c.Name, patience, c.Said())
	}
}

// Pause stops the child where it stands; its connections stay open.
func (c *Child) Pause() error { return c.signal(pauseSignal) }

// Continue lets a paused child go on.
func (c *Child) Continue() error { return c.signal(continueSignal) }

func (c *Child) signal(s syscall.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %s to %s: %w", s, c.Name, err)
	}
	return nil
}
