package counts

import (
	"encoding/binary"
	"math"
)

// append writes the profiles in the order of their slots, then the takers by item.
func (n *neighbours) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(n.serial))
	b = binary.AppendUvarint(b, uint64(len(n.profiles)))
	for _, p := range n.profiles {
		b = binary.LittleEndian.AppendUint64(b, p.user)
		b = binary.AppendUvarint(b, uint64(p.serial))
		b = binary.AppendUvarint(b, uint64(p.last))
		b = appendIndices(b, p.items)
	}
	for _, list := range n.takers {
		b = appendIndices(b, list)
	}
	return b
}

func appendIndices(b []byte, list []int32) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, v := range list {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

// neighbours reads what append wrote, for counts of so many items.
func (r *reader) neighbours(items int) neighbours {
	n := neighbours{serial: int32(r.uint(math.MaxInt32)), of: map[uint64]int32{}}
	for range r.uint(maxProfiles) {
		p := &profile{user: r.uint64(), serial: int32(r.uint(math.MaxInt32)), last: int64(r.uint(maxMilli))}
		p.items = r.indices(maxProfile, items)
		if _, twice := n.of[p.user]; r.err == nil && (twice || p.user == 0 && len(p.items) > 0 || int(p.serial%maxProfiles) != len(n.profiles)) {
			r.fail("profile %d of user %d is out of place", p.serial, p.user)
		}
		if r.err != nil {
			return n
		}
		n.profiles = append(n.profiles, p)
		if p.user != 0 {
			n.of[p.user] = p.serial
		}
	}
	n.takers = make([][]int32, items)
	for i := range n.takers {
		n.takers[i] = r.indices(maxTakers, math.MaxInt32)
	}
	for _, list := range n.takers {
		for _, s := range list {
			at := int(s % maxProfiles)
			if at >= len(n.profiles) {
				r.fail("taker %d has no profile", s)
			} else if p := n.profiles[at]; p.user == 0 && p.serial == s {
				r.fail("taker %d was forgotten", s)
			}
		}
	}
	return n
}

func (r *reader) indices(limit, below int) []int32 {
	n := int(r.uint(uint64(limit)))
	if n == 0 || r.err != nil {
		return nil
	}
	if n > len(r.b) {
		r.fail("%d values in %d bytes", n, len(r.b))
		return nil
	}
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(r.uint(uint64(below - 1)))
	}
	return out
}
