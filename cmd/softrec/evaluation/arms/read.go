package arms

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/softrec/softrec/schema"
)

// maxLine bounds a line: an impression of a thousand items fits.
const maxLine = 4 << 20

// ReadImpressions reads a file with one JSON impression a line, plain, .gz or .zst.
func ReadImpressions(path string) ([]schema.Impression, error) {
	return readAll(path, schema.DecodeImpression)
}

// ReadOutcomes reads a file with one JSON event a line, plain, .gz or .zst. A file does not say when an event was written down: its
// timestamp counts.
func ReadOutcomes(path string) ([]Outcome, error) {
	return readAll(path, decodeOutcome)
}

func decodeOutcome(b []byte) (Outcome, error) {
	ev, err := schema.DecodeEvent(b)
	return Outcome{ev, ev.Timestamp}, err
}

func readAll[T any](path string, decode func([]byte) (T, error)) (all []T, err error) {
	in, err := openFile(path, decode)
	if err != nil {
		return nil, err
	}
	defer in.close()
	for {
		one, err := in.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
}

// file is one of JSON lines that is being read.
type file[T any] struct {
	path   string
	decode func([]byte) (T, error)
	opened *os.File
	unpack io.Closer // nil for a plain one
	lines  *bufio.Scanner
	line   int
}

// openFile opens a file for reading line by line. Close it.
func openFile[T any](path string, decode func([]byte) (T, error)) (*file[T], error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &file[T]{path: path, decode: decode, opened: opened}
	var in io.Reader = opened
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(opened)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		in, f.unpack = z, z
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(opened)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		in, f.unpack = z, z.IOReadCloser()
	}
	f.lines = bufio.NewScanner(in)
	f.lines.Buffer(nil, maxLine)
	return f, nil
}

// next is what the next line that is not empty says, io.EOF after the last.
func (f *file[T]) next() (one T, err error) {
	for f.lines.Scan() {
		f.line++
		if len(bytes.TrimSpace(f.lines.Bytes())) == 0 {
			continue
		}
		one, err = f.decode(f.lines.Bytes())
		return one, f.fault(err)
	}
	if err := f.lines.Err(); err != nil {
		return one, fmt.Errorf("%s: %w", f.path, err)
	}
	return one, io.EOF
}

// fault says in which line an error is.
func (f *file[T]) fault(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s line %d: %w", f.path, f.line, err)
}

func (f *file[T]) close() {
	if f.unpack != nil {
		_ = f.unpack.Close() // read only
	}
	_ = f.opened.Close()
}
