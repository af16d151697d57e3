package attribution

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"

	"github.com/softrec/softrec/schema"
)

// answer is what is kept of an answer that may still be clicked.
type answer struct {
	known      bool // false: clicks have come, the impression has not yet
	arm, model string
	items      []mark // those of the answer; before its impression those that were clicked
}

// mark is one item of an answer and what happened to it.
type mark struct {
	item               uint32 // hash of its id
	source             schema.Source
	clicked, converted bool
}

// maxEarly is how many items may be clicked of an answer whose impression has not come.
const maxEarly = 32

// hashOf names an item within one list: two of a list of ten share a hash in one of 10^8 lists.
func hashOf(item string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(item)) // never fails
	return h.Sum32()
}

// find returns the item's mark, nil where it is not in the list.
func (a *answer) find(item uint32) *mark {
	if i := slices.IndexFunc(a.items, func(m mark) bool { return m.item == item }); i >= 0 {
		return &a.items[i]
	}
	return nil
}

// Of a mark's last byte: what happened, and the source below it.
const (
	clickedBit   = 0x80
	convertedBit = 0x40
)

const codecVersion = 1

var errDamaged = errors.New("stored value is damaged")

// encode makes the stored form: version, known, arm, model, and 5 bytes an item.
func (a *answer) encode() string {
	b := make([]byte, 0, 8+len(a.arm)+len(a.model)+5*len(a.items))
	b = append(b, codecVersion)
	if a.known {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = appendText(appendText(b, a.arm), a.model)
	sources := schema.Sources()
	for _, m := range a.items {
		b = binary.LittleEndian.AppendUint32(b, m.item)
		last := byte(max(0, slices.Index(sources, m.source)))
		if m.clicked {
			last |= clickedBit
		}
		if m.converted {
			last |= convertedBit
		}
		b = append(b, last)
	}
	return string(b)
}

func decodeAnswer(s string) (answer, error) {
	if len(s) < 2 || s[0] != codecVersion {
		return answer{}, errDamaged
	}
	a := answer{known: s[1] == 1}
	rest := s[2:]
	var err error
	if a.arm, rest, err = cutText(rest); err != nil {
		return answer{}, err
	}
	if a.model, rest, err = cutText(rest); err != nil {
		return answer{}, err
	}
	if len(rest)%5 != 0 {
		return answer{}, errDamaged
	}
	sources := schema.Sources()
	for ; len(rest) > 0; rest = rest[5:] {
		last := rest[4]
		at := int(last &^ (clickedBit | convertedBit))
		if at >= len(sources) {
			return answer{}, errDamaged
		}
		a.items = append(a.items, mark{
			item: binary.LittleEndian.Uint32([]byte(rest[:4])), source: sources[at],
			clicked: last&clickedBit != 0, converted: last&convertedBit != 0,
		})
	}
	return a, nil
}

// appendText appends a short text with its length before it. Names are at most schema.MaxIDLen bytes long.
func appendText(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

func cutText(s string) (text, rest string, err error) {
	if len(s) == 0 || len(s) < 1+int(s[0]) {
		return "", "", errDamaged
	}
	n := 1 + int(s[0])
	return s[1:n], s[n:], nil
}
