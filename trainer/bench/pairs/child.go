package pairs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
)

// maxLine bounds a line of the conversation, bytes.
const maxLine = 1 << 20

// Child is a contestant: a process that answers questions.
type Child struct {
	Name  string
	About string // what it says of itself

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// hello is the first line of a contestant, and every line that tells of a fault.
type hello struct {
	Ready string `json:"ready,omitempty"`
	Error string `json:"error,omitempty"`
}

// Start starts cmd as the contestant of a name and waits until it is ready. The context of cmd ends it.
func Start(name string, cmd *exec.Cmd) (*Child, error) {
	c := &Child{Name: name, cmd: cmd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.out = bufio.NewScanner(out)
	c.out.Buffer(nil, maxLine)
	var first hello
	if err := c.read(&first); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	c.About = first.Ready
	return c, nil
}

// Environ lists what every contestant should find in its environment: as many threads as the others, and no spinning while it
// waits, which would steal the time of the one that measures.
func Environ(threads int) []string {
	n := strconv.Itoa(threads)
	return []string{"OMP_WAIT_POLICY=passive", "OMP_NUM_THREADS=" + n, "MKL_NUM_THREADS=" + n, "GOMAXPROCS=" + n, "PYTHONWARNINGS=ignore"}
}

// Ask sends question as JSON and reads the answer into answer. An answer with a field "error" is an error.
func (c *Child) Ask(question, answer any) error {
	line, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.Name, err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("ask %s: %w", c.Name, err)
	}
	return c.read(answer)
}

// read skips lines that are not of the conversation, such as notices of libraries.
func (c *Child) read(answer any) error {
	for c.out.Scan() {
		line := bytes.TrimSpace(c.out.Bytes())
		var fault hello
		if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &fault) != nil {
			continue
		}
		if fault.Error != "" {
			return fmt.Errorf("%s: %s", c.Name, fault.Error)
		}
		if err := json.Unmarshal(line, answer); err != nil {
			return fmt.Errorf("answer of %s: %w", c.Name, err)
		}
		return nil
	}
	return errors.Join(fmt.Errorf("%s ended without an answer", c.Name), c.out.Err())
}

// Stop closes the contestant's input, upon which it ends, and waits for that.
func (c *Child) Stop() error {
	if err := errors.Join(c.in.Close(), c.cmd.Wait()); err != nil {
		return fmt.Errorf("stop %s: %w", c.Name, err)
	}
	return nil
}
