package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// child is a contestant: a process that answers one line per line.
type child struct {
	name  string
	about string // what it says of itself
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
}

// start starts the contestant of a name such as torch-float32 and waits until it is ready.
func start(ctx context.Context, o options, name string) (*child, error) {
	cmd, err := command(ctx, o, name)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "OMP_WAIT_POLICY=passive", "TOKENIZERS_PARALLELISM=false", "PYTHONWARNINGS=ignore",
		"OMP_NUM_THREADS="+strconv.Itoa(o.threads), "GOMAXPROCS="+strconv.Itoa(o.threads))
	c := &child{name: name, cmd: cmd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	a, err := c.read()
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.about = a.Ready
	return c, nil
}

func command(ctx context.Context, o options, name string) (*exec.Cmd, error) {
	engine, dtype, ok := strings.Cut(name, "-")
	if !ok || (dtype != "float32" && dtype != "bfloat16") {
		return nil, fmt.Errorf("contestant %q: want torch, xla or go, then -float32 or -bfloat16", name)
	}
	switch engine {
	case "torch":
		return exec.CommandContext(ctx, o.python, "-B", o.script, "--minilm", o.minilm, "--dtype", dtype, "--threads", strconv.Itoa(o.threads)), nil // #nosec G204 -- the command is the program itself or the one that the operator names
	case "xla", "go":
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, self, "-worker", engine, "-dtype", dtype, "-minilm", o.minilm), nil // #nosec G204 -- the command is the program itself or the one that the operator names
	}
	return nil, fmt.Errorf("contestant %q: want torch, xla or go", name)
}

// ask has the contestant take one turn.
func (c *child) ask(w work) ([]float64, error) {
	line, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	a, err := c.read()
	return a.MS, err
}

// read skips lines that are not of the protocol, such as notices of libraries.
func (c *child) read() (answer, error) {
	for c.out.Scan() {
		var a answer
		if json.Unmarshal(c.out.Bytes(), &a) != nil {
			continue
		}
		if a.Error != "" {
			return a, fmt.Errorf("%s: %s", c.name, a.Error)
		}
		return a, nil
	}
	return answer{}, errors.Join(fmt.Errorf("%s ended without an answer", c.name), c.out.Err())
}

// stop closes the contestant's input, upon which it ends.
func (c *child) stop() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }
