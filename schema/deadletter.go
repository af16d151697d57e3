package schema

import (
	"errors"
	"time"
)

// ErrNoDeadLetter says that no record stands at a place of the dead-letter topic, any more or yet.
var ErrNoDeadLetter = errors.New("no dead letter stands there")

// ErrNotReplayable says that a dead letter cannot be written to where it came from again.
var ErrNotReplayable = errors.New("cannot be replayed")

// MaxShownLetter is how much of a dead letter's value is shown, in bytes.
const MaxShownLetter = 4096

// DeadLetter is a record that could not be used and was set aside, as an operator sees it. Nobody has checked its bytes.
type DeadLetter struct {
	Partition  int       `json:"partition" doc:"of the dead-letter topic: with offset, its name for a replay"`
	Offset     int64     `json:"offset"`
	At         time.Time `json:"at" doc:"when it was set aside"`
	Reason     string    `json:"reason" doc:"why it could not be used"`
	Topic      string    `json:"topic" doc:"where it stood"`
	From       int       `json:"from_partition" doc:"where it stood; -1 when its headers do not say"`
	FromOffset int64     `json:"from_offset" doc:"where it stood; -1 when its headers do not say"`
	Key        []byte    `json:"key" doc:"its first bytes, in base64"`
	Value      []byte    `json:"value" doc:"its first 4096 bytes, in base64; anything can stand there"`
	KeyBytes   int       `json:"key_bytes" doc:"all of them"`
	ValueBytes int       `json:"value_bytes" doc:"all of them"`
	Replayable bool      `json:"replayable" doc:"false when it was cut because of its size, or when its topic is none that ingest reads"`
}

// LetterSubject is whom or what the record of a dead letter is of. Nobody has checked these names.
type LetterSubject struct {
	Users []string // that the whole record names, its key where it names none; nil for a record of the catalogue
	Item  string   // the key of a record of the catalogue; empty for others
}
