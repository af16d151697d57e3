package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
)

// hidden stands wherever a secret would be shown.
const hidden = "***"

// Secret is text that must not be shown: a password. Every way of printing it, JSON, YAML and slog included, gives
// "***", or nothing when it is empty; Reveal gives the text itself.
type Secret string

// Reveal returns the text, for the client that has to send it.
func (s Secret) Reveal() string { return string(s) }

// String returns "***", or nothing when s is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format writes String for every verb, %#v and %x included.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.String()) }

// MarshalJSON writes String.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML writes String.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue gives slog String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// largestSecret bounds the file of a secret, in bytes: what is larger is another file.
const largestSecret = 64 << 10

// ReadSecret returns text, or the content of file where one is named, less the line break at its end.
func ReadSecret(text Secret, file string) (Secret, error) {
	if file == "" {
		return text, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", bare(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, largestSecret+1))
	switch {
	case err != nil:
		return "", bare(err)
	case len(b) > largestSecret:
		return "", fmt.Errorf("is larger than %d bytes", largestSecret)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", errors.New("is empty")
	}
	return Secret(s), nil
}

// CheckSecret reports what is wrong with a secret given as text or as file; field is what the file's setting is called.
func CheckSecret(field string, text Secret, file string) error {
	if file == "" {
		return nil
	}
	if text != "" {
		return fmt.Errorf("%s %q: is given beside the password itself: want one of them", field, file)
	}
	if _, err := ReadSecret("", file); err != nil {
		return fmt.Errorf("%s %q: %w", field, file, err)
	}
	return nil
}

// bare takes operation and path off an error of the file system, because the fault names the path already.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
