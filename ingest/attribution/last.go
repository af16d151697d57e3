package attribution

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
)

// Bounds of what is kept of a user's newest lists.
const (
	maxLists = 16 // of arms and shadows
	depth    = 10 // items of a list that are scored: HR@10 and NDCG@10
)

// list is a list of one arm for a user that no interaction has followed yet.
type list struct {
	arm, model string
	shadow     bool
	at         time.Time
	items      []uint32 // hashes of the first depth items
}

// sameArm reports whether two lists compete for the same interaction.
func (l list) sameArm(other list) bool { return l.arm == other.arm && l.shadow == other.shadow }

// put adds l. An older list of its arm stays beside it, for an interaction between the two that is read later: impressions may be read far
// ahead of interactions, after an outage or where both are read again. Where there are too many, the oldest goes that a newer one of its
// arm stands for.
func put(all []list, l list) []list {
	if i := slices.IndexFunc(all, func(have list) bool { return have.sameArm(l) && have.at.Equal(l.at) }); i >= 0 {
		all[i] = l
		return all
	}
	all = append(all, l)
	if len(all) <= maxLists {
		return all
	}
	gone := 0 // the first one where each is the newest of its arm
	for i, have := range all {
		if stale(all, have) && (!stale(all, all[gone]) || have.at.Before(all[gone].at)) {
			gone = i
		}
	}
	return slices.Delete(all, gone, gone+1)
}

// stale reports whether all has a newer list of l's arm.
func stale(all []list, l list) bool {
	return slices.ContainsFunc(all, func(other list) bool { return other.sameArm(l) && other.at.After(l.at) })
}

// listOf is what is kept of an impression.
func listOf(im schema.Impression) list {
	l := list{arm: im.Arm, model: im.ModelVersion, shadow: im.Shadow, at: im.At}
	for _, it := range im.Items[:min(len(im.Items), depth)] {
		l.items = append(l.items, hashOf(it.ID))
	}
	return l
}

// gain is the discounted gain of item in the list, 0 where it is not among the first depth.
func (l list) gain(item uint32) float64 {
	i := slices.Index(l.items, item)
	if i < 0 {
		return 0
	}
	return 1 / math.Log2(float64(i)+2)
}

func encodeLists(all []list) string {
	b := []byte{codecVersion}
	for _, l := range all {
		flag := byte(0)
		if l.shadow {
			flag = 1
		}
		b = append(appendText(appendText(append(b, flag), l.arm), l.model), byte(len(l.items)))
		b = binary.LittleEndian.AppendUint64(b, uint64(l.at.UnixMilli()))
		for _, it := range l.items {
			b = binary.LittleEndian.AppendUint32(b, it)
		}
	}
	return string(b)
}

func decodeLists(s string) ([]list, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != codecVersion {
		return nil, errDamaged
	}
	var all []list
	for rest := s[1:]; len(rest) > 0; {
		l := list{shadow: rest[0] == 1}
		var err error
		if l.arm, rest, err = cutText(rest[1:]); err != nil {
			return nil, err
		}
		if l.model, rest, err = cutText(rest); err != nil {
			return nil, err
		}
		if len(rest) < 9 || len(rest) < 9+4*int(rest[0]) {
			return nil, errDamaged
		}
		n := int(rest[0])
		l.at = time.UnixMilli(int64(binary.LittleEndian.Uint64([]byte(rest[1:9])))).UTC()
		for i := range n {
			l.items = append(l.items, binary.LittleEndian.Uint32([]byte(rest[9+4*i:13+4*i])))
		}
		rest = rest[9+4*n:]
		all = append(all, l)
	}
	return all, nil
}
