package vocab

import (
	"fmt"
	"strings"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/pace"
)

// MarshalBinary writes one id per line, the item with index 1 first. The padding is not written. It never fails.
func (v *Vocab) MarshalBinary() ([]byte, error) {
	n := 0
	for _, id := range v.ids[1:] {
		n += len(id) + 1
	}
	b := make([]byte, 0, n)
	for _, id := range v.ids[1:] {
		b = append(append(b, id...), '\n')
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. An id that cannot name an item, a second line with the same id and a
// last line without its end are errors that name the line; v is unchanged then.
func (v *Vocab) UnmarshalBinary(b []byte) error { return v.Decode(b, nil) }

// Decode is UnmarshalBinary at the pace of p, nil for as fast as it can.
func (v *Vocab) Decode(b []byte, p *pace.Pacer) error {
	if len(b) > 0 && b[len(b)-1] != '\n' {
		return fmt.Errorf("decode vocabulary: the last line is cut off")
	}
	text := string(b)
	lines := strings.Count(text, "\n")
	ids := make([]string, 1, lines+1)
	index := make(map[string]int32, lines)
	for line := 1; len(text) > 0; line++ {
		id, rest, _ := strings.Cut(text, "\n")
		if err := schema.CheckItemID(id); err != nil {
			return fmt.Errorf("decode vocabulary, line %d: %w", line, err)
		}
		if first, twice := index[id]; twice {
			return fmt.Errorf("decode vocabulary, line %d: item %q is on line %d already", line, id, first)
		}
		index[id] = int32(line)
		ids = append(ids, id)
		text = rest
		p.Did(200) // the map
	}
	v.ids, v.index = ids, index
	return nil
}
