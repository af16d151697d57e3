package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/softrec/softrec/trainer/bench/pairs"
	"github.com/softrec/softrec/trainer/bench/seqstep"
)

// scriptFile is the PyTorch side in the folder of the worlds.
const scriptFile = "torch_sequence.py"

// checked and timed name the two worlds of a shape.
func checked(s seqstep.Shape) string { return s.Name + "-checked" }
func timed(s seqstep.Shape) string   { return s.Name + "-timed" }

// lay writes the worlds of all shapes and the script into a folder.
func lay(folder string, o Options) error {
	for _, s := range o.shapes() {
		for name, build := range map[string]func(uint64) (seqstep.World, error){checked(s): s.Checked, timed(s): s.Timed} {
			w, err := build(o.Seed)
			if err != nil {
				return err
			}
			if err := w.Write(filepath.Join(folder, name)); err != nil {
				return err
			}
		}
	}
	return layScript(folder)
}

func layScript(folder string) error {
	if err := os.WriteFile(filepath.Join(folder, scriptFile), seqstep.Script(), 0o644); err != nil {
		return fmt.Errorf("write the script: %w", err)
	}
	return nil
}

// gather starts the contestants. One that cannot start is left out, and a note says why; it is an error if none can.
func gather(ctx context.Context, o Options, folder string) (field []*pairs.Child, notes []string, err error) {
	for _, name := range contestants() {
		if !slices.Contains(o.Contestants, name) {
			continue
		}
		cmd, err := command(ctx, o, name, folder)
		if err == nil {
			var c *pairs.Child
			if c, err = pairs.Start(name, cmd); err == nil {
				field = append(field, c)
				continue
			}
		}
		notes = append(notes, fmt.Sprintf("%s is left out: %v", name, err))
	}
	if len(field) == 0 {
		return nil, notes, fmt.Errorf("start contestants: none of %v could: %v", o.Contestants, notes)
	}
	return field, notes, ctx.Err()
}

// command is the process of a contestant.
func command(ctx context.Context, o Options, name, folder string) (*exec.Cmd, error) {
	var cmd *exec.Cmd
	switch {
	case name != Torch && len(o.Self) == 0:
		return nil, errors.New("the command line of this binary is not known")
	case name != Torch:
		args := append(slices.Clone(o.Self[1:]), name, "--folder", folder, "--pjrt-plugin", o.Plugin)
		cmd = exec.CommandContext(ctx, o.Self[0], args...) // #nosec G204 -- the command is the program itself or the one that the operator names
	case o.Python == "":
		return nil, errors.New("no Python with torch was named with --python or SOFTREC_PYTHON: times are shown and no ratios")
	default:
		cmd = exec.CommandContext(ctx, o.Python, "-B", filepath.Join(folder, scriptFile), "--folder", folder, "--threads", strconv.Itoa(o.Threads)) // #nosec G204 -- the command is the program itself or the one that the operator names
	}
	env := os.Environ()
	if name != Torch && o.Environ != nil {
		env = slices.Clone(o.Environ)
	}
	cmd.Env = append(env, pairs.Environ(o.Threads)...)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// dismiss ends the contestants. Their complaints count only where the run itself was not cut short.
func dismiss(ctx context.Context, field []*pairs.Child) error {
	var faults []error
	for _, c := range field {
		faults = append(faults, c.Stop())
	}
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(faults...)
}
