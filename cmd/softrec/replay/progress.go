package replay

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress is told how many records were sent. Its methods may be called from several goroutines.
type Progress interface {
	Add(n int)
	Done()
}

// NewProgress shows progress of label on w: as a bar when w is a terminal, else as a line every ten seconds. total is
// the number of records expected; 0 or less means it is not known.
func NewProgress(w io.Writer, label string, total int64) Progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newBar(w, label, total)
	}
	return &lines{w: w, label: label, total: total, started: time.Now(), every: 10 * time.Second}
}

// NoProgress shows nothing.
func NoProgress() Progress { return &lines{w: io.Discard, started: time.Now(), every: time.Hour} }

type bar struct {
	w io.Writer
	b *progressbar.ProgressBar
}

func newBar(w io.Writer, label string, total int64) bar {
	if total <= 0 {
		total = -1 // the library's word for unknown: a spinner
	}
	return bar{w, progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(label), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("events"), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth(),
		progressbar.OptionOnCompletion(func() { _, _ = fmt.Fprintln(w) }))}
}

func (b bar) Add(n int) { _ = b.b.Add(n) } // the only error is a count past the total, which a log that grew may give

// Done leaves the bar as it stands when the log was not sent to its end.
func (b bar) Done() {
	if !b.b.IsFinished() {
		_ = b.b.Exit() // never fails
		_, _ = fmt.Fprintln(b.w)
	}
}

type lines struct {
	w     io.Writer
	label string
	total int64
	every time.Duration

	mu      sync.Mutex
	n       int64
	started time.Time
	shown   time.Time
}

func (l *lines) Add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += int64(n)
	if now := time.Now(); now.Sub(l.shown) >= l.every && now.Sub(l.started) >= l.every {
		l.shown = now
		l.show()
	}
}

func (l *lines) Done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.show()
}

// show writes one line; a writer that fails only loses the line.
func (l *lines) show() {
	seconds := time.Since(l.started).Seconds()
	rate := float64(l.n) / max(seconds, 0.001)
	if l.total > 0 {
		_, _ = fmt.Fprintf(l.w, "%s: %d of %d (%.0f %%), %.0f/s\n", l.label, l.n, l.total, 100*float64(l.n)/float64(l.total), rate)
		return
	}
	_, _ = fmt.Fprintf(l.w, "%s: %d, %.0f/s\n", l.label, l.n, rate)
}
