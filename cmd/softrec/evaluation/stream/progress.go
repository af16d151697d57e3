package stream

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress is told how many lines of a pass have been played.
type Progress interface {
	Add(lines int)
	Done()
}

// Watch starts the progress of a pass over so many lines.
type Watch func(label string, lines int) Progress

// Bars shows a bar per pass on w where that is a terminal, and nothing elsewhere.
func Bars(w io.Writer) Watch {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return unwatched
	}
	return func(label string, lines int) Progress {
		return bar{progressbar.NewOptions(lines, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(label), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("lines"), progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionClearOnFinish())}
	}
}

type bar struct{ b *progressbar.ProgressBar }

// Add implements Progress. The bar's only errors are counts past its end.
func (b bar) Add(lines int) { _ = b.b.Add(lines) }

// Done implements Progress.
func (b bar) Done() { _ = b.b.Clear() } // as above

type noProgress struct{}

func unwatched(string, int) Progress { return noProgress{} }

// Add implements Progress.
func (noProgress) Add(int) {}

// Done implements Progress.
func (noProgress) Done() {}
