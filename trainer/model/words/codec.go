package words

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf8"

	"github.com/softrec/softrec/trainer/model/pace"
)

// magic starts an encoded table; the digit is the version of the format.
const magic = "softrec-words-1\n"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary writes the words, by item which of them it has, and which items the weights follow from. It never fails.
func (t *Table) MarshalBinary() ([]byte, error) {
	b := []byte(magic)
	b = binary.AppendUvarint(b, uint64(len(t.texts)))
	for _, text := range t.texts {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	b = binary.AppendUvarint(b, uint64(t.settled))
	b = binary.AppendUvarint(b, uint64(len(t.items)-1))
	for _, own := range t.items[1:] {
		b = binary.AppendUvarint(b, uint64(len(own)))
		last := int32(-1)
		for _, term := range own {
			b = binary.AppendUvarint(b, uint64(term-last))
			last = term
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// UnmarshalBinary reads what MarshalBinary wrote; the table answers as the encoded one. Bytes that are cut
// short, altered or out of range are an error; t is unchanged then.
func (t *Table) UnmarshalBinary(b []byte) error { return t.Decode(b, nil) }

// Decode is UnmarshalBinary at the pace of p, nil for as fast as it can.
func (t *Table) Decode(b []byte, p *pace.Pacer) error {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return errors.New("decode title words: not a version-1 file of them")
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := p.Checksum(body); got != sum {
		return fmt.Errorf("decode title words: checksum %08x, want %08x", got, sum)
	}
	r := &reader{b: body[len(magic):], pace: p}
	d, settled := r.table()
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err == nil && settled > uint64(d.Len()) {
		r.err = fmt.Errorf("weights of %d items of %d", settled, d.Len())
	}
	if r.err != nil {
		return fmt.Errorf("decode title words: %w", r.err)
	}
	d.settle(int(settled), p)
	*t = *d
	return nil
}

// reader takes an encoded table apart; after its first error it reads zeros.
type reader struct {
	b    []byte
	err  error
	pace *pace.Pacer
}

// table reads everything but the weights, and the index below which the items are that they follow from.
func (r *reader) table() (t *Table, settled uint64) {
	t = New()
	for range r.length() {
		text := r.text()
		if _, twice := t.terms[text]; r.err == nil && twice {
			r.err = fmt.Errorf("word %q is there twice", text)
		}
		if r.err != nil {
			return t, 0
		}
		t.terms[text] = int32(len(t.texts))
		t.texts, t.holders, t.weights = append(t.texts, text), append(t.holders, nil), append(t.weights, 0)
		r.pace.Did(200) // the map
	}
	settled = r.uint()
	for range r.length() {
		own := r.terms(len(t.texts))
		if r.err != nil {
			return t, 0
		}
		for _, term := range own {
			t.holders[term] = append(t.holders[term], int32(len(t.items)))
		}
		if len(own) > 0 {
			t.titled++
		}
		t.items, t.inverse = append(t.items, own), append(t.inverse, 0)
		r.pace.Did(50 + 20*len(own))
	}
	return t, settled
}

// length reads how many entries follow. Each takes a byte at least, so a forged one cannot make us work longer than the input's size.
func (r *reader) length() int {
	n := r.uint()
	if r.err == nil && n > uint64(len(r.b)) {
		r.err = fmt.Errorf("%d entries in %d bytes", n, len(r.b))
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.err == nil && n <= 0 {
		r.err = errors.New("cut short, or a number too large")
	}
	if r.err != nil {
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string {
	n := r.length()
	if r.err != nil {
		return ""
	}
	text := string(r.b[:n])
	if !utf8.ValidString(text) || text == "" {
		r.err = fmt.Errorf("word %q: want some UTF-8 text", text)
	}
	r.b = r.b[n:]
	return text
}

// terms reads the terms of one item, of which the table has so many.
func (r *reader) terms(many int) []int32 {
	n := r.length()
	if r.err == nil && n > maxWords {
		r.err = fmt.Errorf("a title of %d words: want at most %d", n, maxWords)
	}
	own, last := make([]int32, 0, min(n, maxWords)), int64(-1)
	for range n {
		step := r.uint()
		if r.err == nil && (step == 0 || step > uint64(many)) {
			r.err = fmt.Errorf("word %d after word %d of %d", last+int64(step), last, many)
		}
		if r.err != nil {
			return nil
		}
		if last += int64(step); last >= int64(many) {
			r.err = fmt.Errorf("word %d of %d", last, many)
			return nil
		}
		own = append(own, int32(last))
	}
	return own
}
