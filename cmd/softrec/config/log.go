package config

import (
	"errors"
	"io"
	"log/slog"
)

// Log says what is logged and how it looks.
type Log struct {
	Level  string `koanf:"level" help:"least severe messages to log: debug, info, warn or error"`
	Format string `koanf:"format" help:"form of a log line: text or json"`
}

// DefaultLog logs from info on as text.
func DefaultLog() Log { return Log{Level: "info", Format: "text"} }

// Validate reports every fault of l.
func (l Log) Validate() error {
	return errors.Join(
		oneOf("level", l.Level, "debug", "info", "warn", "error"),
		oneOf("format", l.Format, "text", "json"),
	)
}

// Logger returns a logger that writes to w as l says; an unknown level logs from info on.
func (l Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
