package experiment

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// NewWatcher shows how an experiment gets on as a bar on w where that is a terminal; elsewhere the log's lines must do.
func NewWatcher(w io.Writer) Watcher {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &barWatcher{w: w}
	}
	return unwatched{}
}

// barWatcher shows one bar per epoch, named after the run.
type barWatcher struct {
	w     io.Writer
	label string
	bar   *progressbar.ProgressBar
}

// Begin implements Watcher.
func (b *barWatcher) Begin(variant string, seed, number, of int) {
	b.label = fmt.Sprintf("run %d of %d: %s, seed %d", number, of, variant, seed)
}

// Batch implements Watcher. The bar's only errors are counts past its end, which an estimate may give.
func (b *barWatcher) Batch(done, of int) {
	if done == 1 || b.bar == nil {
		b.bar = progressbar.NewOptions(of, progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription(b.label), progressbar.OptionShowCount(),
			progressbar.OptionSetItsString("batches"), progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	_ = b.bar.Set(min(done, of))
}

// End implements Watcher.
func (b *barWatcher) End() {
	if b.bar != nil {
		_ = b.bar.Clear() // as above
		b.bar = nil
	}
}
