package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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
