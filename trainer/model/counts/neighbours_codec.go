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
	n := neighbours{serial: int32(r.uint(math.MaxInt32))}
	many := int(r.uint(maxProfiles))
	room := min(many, len(r.b)/11) // a profile takes as many bytes at least, so a forged number takes no memory
	n.profiles, n.of = make([]*profile, 0, room), make(map[uint64]int32, room)
	all := make([]profile, room)   // one object for the garbage collector
	gone := make([]int32, 0, room) // by slot: the serial of a forgotten profile, -1 for another
	for range many {
		p := profile{user: r.uint64(), serial: int32(r.uint(math.MaxInt32)), last: int64(r.uint(maxMilli))}
		p.items = r.indices(maxProfile, items)
		if _, twice := n.of[p.user]; r.err == nil && (twice || p.user == 0 && len(p.items) > 0 || int(p.serial%maxProfiles) != len(n.profiles)) {
			r.fail("profile %d of user %d is out of place", p.serial, p.user)
		}
		if r.err != nil {
			return n
		}
		at := len(n.profiles)
		all[at] = p
		n.profiles = append(n.profiles, &all[at])
		if p.user != 0 {
			n.of[p.user] = p.serial
			gone = append(gone, -1)
		} else {
			gone = append(gone, p.serial)
		}
		r.pace.Did(100) // the map
	}
	n.takers = make([][]int32, items)
	for i := range n.takers {
		n.takers[i] = r.indices(maxTakers, math.MaxInt32)
		for _, s := range n.takers[i] {
			if at := int(s % maxProfiles); at >= len(gone) {
				r.fail("taker %d has no profile", s)
			} else if gone[at] == s {
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
	out := cut(&r.ints, n)
	for i := range out {
		// Nearly all take up to three bytes.
		if b := r.b; len(b) >= 3 {
			v, n := uint64(b[0]), 1
			if b[0] >= 0x80 {
				if v, n = v&0x7f|uint64(b[1])<<7, 2; b[1] >= 0x80 {
					v, n = v&0x3fff|uint64(b[2])<<14, 3
				}
			}
			if b[n-1] < 0x80 && v < uint64(below) {
				out[i] = int32(v)
				r.b = b[n:]
				continue
			}
		}
		out[i] = int32(r.uint(uint64(below - 1)))
	}
	r.pace.Did(8 + 3*n)
	return out
}
