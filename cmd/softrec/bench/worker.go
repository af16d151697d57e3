package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/softrec/softrec/trainer/bench/seqstep"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/seqtrain"
)

// Work is one of softrec's contestants, in a process of its own: it answers questions on in about the worlds below folder until
// in ends. name is XLA or Go; cfg names the plugin for XLA, which must be there.
func Work(ctx context.Context, name, folder string, cfg backend.Config, in io.Reader, out io.Writer) error {
	switch name {
	case XLA:
	case Go:
		cfg.Plugin = backend.None
	default:
		return fmt.Errorf("bench worker %q: want %s or %s", name, XLA, Go)
	}
	be, info, err := backend.Open(cfg, nil)
	if err != nil {
		return err
	}
	defer be.Finalize()
	if name == XLA && info.Name != XLA {
		return errors.New("no PJRT plugin: " + info.Reason)
	}
	about := fmt.Sprintf("softrec on %s, %s", info.Name, build())
	open := func(c seqtrain.Config) (*seqtrain.Engine, error) {
		c.Workers = runtime.GOMAXPROCS(0) // all the threads that PyTorch has; a live trainer takes half
		return seqtrain.NewEngine(be, c)
	}
	return seqstep.Serve(ctx, folder, about, open, in, out)
}

// build is what of the binary and its surroundings matters for speed.
func build() string {
	parts := []string{runtime.Version(), fmt.Sprintf("GOMAXPROCS %d", runtime.GOMAXPROCS(0))}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOEXPERIMENT" || s.Key == "GOAMD64" {
				parts = append(parts, s.Key+"="+s.Value)
			}
		}
	}
	if v := os.Getenv("GODEBUG"); v != "" {
		parts = append(parts, "GODEBUG="+v)
	}
	return strings.Join(parts, ", ")
}
