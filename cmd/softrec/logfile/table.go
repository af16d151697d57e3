package logfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxLine bounds one line of a file, in bytes.
const maxLine = 1 << 20

// Error says where a file is wrong.
type Error struct {
	File   string
	Line   int    // 1-based; the header is line 1
	Column string // empty when the whole line is meant
	Value  string // as it stands in the file
	Reason string // what is wrong, for example "is required"
}

// Error reads `log.tsv:17: timestamp "soon": is neither ...`.
func (e *Error) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
	}
	return fmt.Sprintf("%s:%d: %s %q: %s", e.File, e.Line, e.Column, e.Value, e.Reason)
}

// table walks the rows of a tab-separated file.
type table struct {
	name    string
	columns []string
	lines   *bufio.Scanner
	line    int
	ended   bool // nothing more can be read
	close   []func() error
}

func openTable(path string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	t, err := newTable(path, f)
	if err != nil {
		_ = f.Close() // the fault of the content is the one to report
		return nil, err
	}
	t.close = append(t.close, f.Close)
	return t, nil
}

// newTable unpacks r where needed and reads the header.
func newTable(name string, r io.Reader) (*table, error) {
	t := &table{name: name}
	plain, err := t.unpack(bufio.NewReader(r))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	t.lines = bufio.NewScanner(plain)
	t.lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	if err := t.header(); err != nil {
		_ = t.Close() // as above
		return nil, err
	}
	return t, nil
}

// unpack looks at the first bytes of r: gzip and Zstandard say what they are.
func (t *table) unpack(r *bufio.Reader) (io.Reader, error) {
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		t.close = append(t.close, z.Close)
		return z, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		t.close = append(t.close, func() error { z.Close(); return nil })
		return z, nil
	default:
		return r, nil
	}
}

func (t *table) header() error {
	row, err := t.next()
	if errors.Is(err, io.EOF) {
		return t.fault("", "", "is empty: the first line must name the columns")
	}
	if err != nil {
		return err
	}
	t.columns = row
	seen := map[string]bool{}
	for _, c := range row {
		if seen[c] {
			return t.fault(c, c, "stands twice in the header")
		}
		seen[c] = true
	}
	return nil
}

// next returns the fields of the next line that is not empty, or io.EOF.
func (t *table) next() ([]string, error) {
	if t.ended {
		return nil, io.EOF
	}
	for t.lines.Scan() {
		t.line++
		text := strings.TrimSuffix(t.lines.Text(), "\r")
		if text == "" {
			continue
		}
		row := strings.Split(text, "\t")
		if t.columns != nil && len(row) != len(t.columns) {
			return nil, t.fault("", "", fmt.Sprintf("has %d columns, the header has %d", len(row), len(t.columns)))
		}
		return row, nil
	}
	t.ended = true
	if err := t.lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		t.line++
		return nil, t.fault("", "", fmt.Sprintf("is longer than %d bytes", maxLine))
	} else if err != nil {
		return nil, fmt.Errorf("read %s after line %d: %w", t.name, t.line, err)
	}
	return nil, io.EOF
}

// column returns the index of the first of the names that the header has, or -1.
func (t *table) column(names ...string) int {
	for _, name := range names {
		for i, c := range t.columns {
			if c == name {
				return i
			}
		}
	}
	return -1
}

func (t *table) fault(column, value, reason string) error {
	return &Error{File: t.name, Line: max(t.line, 1), Column: column, Value: value, Reason: reason}
}

// Close lets go of the file and the decoder.
func (t *table) Close() error {
	var errs []error
	for _, c := range t.close {
		errs = append(errs, c())
	}
	t.close = nil
	return errors.Join(errs...)
}
