package serving

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is one child: this binary with other arguments.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of its end; valid once done is closed

	mu   sync.Mutex
	said bytes.Buffer
}

// Write keeps the newest of what the process says, for when it fails.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.Len() > 1<<16 {
		p.said.Reset()
	}
	return p.said.Write(b)
}

func (p *process) words() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// launch starts self with args in the environment env. out, when given, gets its standard output.
func launch(name, self string, env []string, out io.Writer, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(self, args...), done: make(chan struct{})} // #nosec G204 -- the command is the program itself or the one that the operator names
	p.cmd.Stderr, p.cmd.Stdout = p, p
	if out != nil {
		p.cmd.Stdout = out
	}
	p.cmd.Env = env
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	return p, nil
}

// stop asks the process to end, and ends it when it does not.
func (p *process) stop() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended early: %w\n%s", p.name, errors.Join(p.err, errEnded), p.words())
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may end meanwhile
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return nil
}

var errEnded = errors.New("nobody asked it to")

// await waits until the URL answers 200 while the process lives.
func (p *process) await(ctx context.Context, url string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if up(ctx, url) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", p.name, errors.Join(p.err, errEnded), p.words())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s at %s: %w\n%s", p.name, url, ctx.Err(), p.words())
		}
	}
}

func up(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close()) == nil && resp.StatusCode == http.StatusOK
}

// freeAddr is a loopback address nobody listens on at this moment.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
