package window

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// textState is the first byte of a State as builds before windowFormat encoded it.
const textState = 1

// MarshalBinary encodes s with its offsets and its version, as a stored window with items by their ids. Equal states give
// equal bytes.
func (s *State) MarshalBinary() ([]byte, error) {
	for _, e := range s.entries {
		if err := checkEntry(e); err != nil {
			return nil, fmt.Errorf("encode window state: %w", err)
		}
	}
	b := appendHead(make([]byte, 0, 32+16*len(s.entries)), head{version: s.version, offsets: s.offsets})
	return new(coder).appendBody(b, s.offsets, s.entries, nil), nil
}

// UnmarshalBinary replaces s by the state that MarshalBinary wrote. On an error s is unchanged.
func (s *State) UnmarshalBinary(b []byte) error {
	read, err := decodeState(b)
	if err != nil {
		return fmt.Errorf("decode window state: %w", err)
	}
	*s = read
	return nil
}

// MayHold reports whether a state that MarshalBinary wrote may have an entry of an item. It decodes nothing, in a pass over the bytes: an
// item that it denies is not there, and one that it does not deny is there mostly.
func MayHold(state []byte, item string) bool {
	if id, ok := packUUID(item); ok && bytes.Contains(state, id[:]) {
		return true
	}
	return bytes.Contains(state, []byte(item)) // a UUID, too, in what earlier builds wrote
}

func decodeState(b []byte) (State, error) {
	switch {
	case len(b) > 0 && b[0] == textState:
		return decodeTextState(b[1:])
	case len(b) == 0 || b[0] != windowFormat:
		return State{}, fmt.Errorf("unknown format, want %d", windowFormat)
	}
	front, body, err := cutHead(string(b))
	if err != nil {
		return State{}, err
	}
	h, err := readHead(front, nil)
	if err != nil {
		return State{}, fmt.Errorf("head: %w", err)
	}
	entries, unnamed, err := new(coder).readBody(nil, h.offsets, body, nil)
	if err == nil && unnamed > 0 {
		err = errors.New("items by numbers, want ids")
	}
	if err != nil {
		return State{}, err
	}
	return State{version: h.version, offsets: h.offsets, entries: entries}, nil
}

// decodeTextState reads what earlier builds wrote.
func decodeTextState(b []byte) (State, error) {
	r := varints{rest: b}
	s := State{version: r.signed()}
	for n := r.unsigned(); n > 0 && r.err == nil; n-- {
		p := progress{partition: int(r.signed()), offset: r.signed()}
		if r.err == nil && (p.partition < 0 || p.partition > math.MaxInt32 || p.offset < 0 || p.offset > maxOffset) {
			return State{}, fmt.Errorf("place %d:%d: out of range", p.partition, p.offset)
		}
		if k := len(s.offsets); k > 0 && s.offsets[k-1].partition >= p.partition {
			return State{}, fmt.Errorf("partition %d: out of order", p.partition)
		}
		s.offsets = append(s.offsets, p)
	}
	if r.err != nil {
		return State{}, r.err
	}
	if s.version < 0 {
		return State{}, fmt.Errorf("version %d: out of range", s.version)
	}
	var err error
	if s.entries, err = decodeText(string(r.rest)); err != nil {
		return State{}, err
	}
	return s, nil
}

// varints reads numbers from the front of rest until the first fault.
type varints struct {
	rest []byte
	err  error
}

func (r *varints) signed() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *varints) unsigned() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *varints) skip(n int) {
	if n <= 0 {
		r.rest, r.err = nil, errors.New("cut short")
		return
	}
	r.rest = r.rest[n:]
}
