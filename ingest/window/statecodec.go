package window

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// stateFormat is the first byte of an encoded State.
const stateFormat = 1

// MarshalBinary encodes s with its offsets and its version. Equal states give equal bytes.
func (s *State) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, 16+16*len(s.offsets)+64*len(s.entries))
	b = append(b, stateFormat)
	b = binary.AppendVarint(b, s.version)
	b = binary.AppendUvarint(b, uint64(len(s.offsets)))
	for _, p := range s.offsets {
		b = binary.AppendVarint(b, int64(p.partition))
		b = binary.AppendVarint(b, p.offset)
	}
	for _, e := range s.entries {
		if err := checkEntry(e); err != nil {
			return nil, fmt.Errorf("encode window state: %w", err)
		}
		b = appendEntry(b, e)
	}
	return b, nil
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

func decodeState(b []byte) (State, error) {
	if len(b) == 0 || b[0] != stateFormat {
		return State{}, fmt.Errorf("unknown format, want %d", stateFormat)
	}
	r := varints{rest: b[1:]}
	s := State{version: r.signed()}
	for n := r.unsigned(); n > 0 && r.err == nil; n-- {
		p := progress{partition: int(r.signed()), offset: r.signed()}
		if k := len(s.offsets); k > 0 && s.offsets[k-1].partition >= p.partition {
			return State{}, fmt.Errorf("partition %d: out of order", p.partition)
		}
		s.offsets = append(s.offsets, p)
	}
	if r.err != nil {
		return State{}, r.err
	}
	var err error
	if s.entries, err = decodeBlob(string(r.rest)); err != nil {
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
