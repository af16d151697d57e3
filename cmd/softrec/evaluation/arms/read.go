package arms

import (
	"bufio"
	"bytes"
	"compress/gzip"
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
func ReadImpressions(path string) (all []schema.Impression, err error) {
	return all, lines(path, func(b []byte) error {
		im, err := schema.DecodeImpression(b)
		if err == nil {
			all = append(all, im)
		}
		return err
	})
}

// ReadOutcomes reads a file with one JSON event a line, plain, .gz or .zst. A file does not say when an event was written down: its
// timestamp counts.
func ReadOutcomes(path string) (all []Outcome, err error) {
	return all, lines(path, func(b []byte) error {
		ev, err := schema.DecodeEvent(b)
		if err == nil {
			all = append(all, Outcome{ev, ev.Timestamp})
		}
		return err
	})
}

func lines(path string, take func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	var in io.Reader = f
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		in = z
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		defer z.Close()
		in = z
	}
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		if err := take(s.Bytes()); err != nil {
			return fmt.Errorf("%s line %d: %w", path, n, err)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
