package rules

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// MaxServed is how many items a list shows over all its pages. A token of that length has 53 KB, which fits a request's header.
const MaxServed = 5_000

// Page is how far a client has come in a list: what it was shown. Its token is what a client sends back as `after`. It
// holds all there is to know, so that any server reads it, however long ago it was written; it is checked against damage, not
// signed: a forged one leaves items out of the forger's own list, as `exclude` does.
type Page struct {
	list   uint64 // of which list, see listHash
	served []uint64
	set    map[uint64]struct{}
}

// tokenVersion is the first byte of a token.
const tokenVersion = 1

// FirstPage is the start of the list named by its parts, for example the end point and the user.
func FirstPage(list ...string) Page { return Page{list: listHash(list)} }

// listHash names a list.
func listHash(parts []string) uint64 {
	h := xxhash.New()
	for _, p := range parts {
		_, _ = h.WriteString(p)
		_, _ = h.WriteString("\x00") // no id holds a NUL
	}
	return h.Sum64()
}

// DecodePage reads a token that was given out for the same list.
func DecodePage(token string, list ...string) (Page, error) {
	const head, tail = 1 + 8, 4
	if len(token) > base64.RawURLEncoding.EncodedLen(head+8*MaxServed+tail) {
		return Page{}, errors.New("is longer than any token")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < head+tail || (len(b)-head-tail)%8 != 0 || strings.ContainsAny(token, "\r\n") { // base64 passes over line ends
		return Page{}, errors.New("is not a token of this server")
	}
	body := b[:len(b)-tail]
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[len(body):]) {
		return Page{}, errors.New("is damaged")
	}
	if b[0] != tokenVersion {
		return Page{}, errors.New("is of another version")
	}
	p := FirstPage(list...)
	if binary.LittleEndian.Uint64(b[1:]) != p.list {
		return Page{}, errors.New("belongs to another list")
	}
	p.set = make(map[uint64]struct{}, (len(body)-head)/8)
	for at := head; at < len(body); at += 8 {
		h := binary.LittleEndian.Uint64(body[at:])
		if _, twice := p.set[h]; twice {
			return Page{}, errors.New("is damaged")
		}
		p.set[h] = struct{}{}
		p.served = append(p.served, h)
	}
	return p, nil
}

// Len is how many items were shown.
func (p Page) Len() int { return len(p.served) }

// Served reports whether item was shown. Two items in 2^64 are taken for each other.
func (p Page) Served(item string) bool {
	if len(p.set) == 0 {
		return false
	}
	_, ok := p.set[xxhash.Sum64String(item)]
	return ok
}

// Next is the token after items were shown too, empty where a list has come to its greatest length.
func (p Page) Next(items []string) string {
	n := len(p.served) + len(items)
	if n > MaxServed {
		return ""
	}
	b := make([]byte, 0, 1+8+8*n+4)
	b = append(b, tokenVersion)
	b = binary.LittleEndian.AppendUint64(b, p.list)
	for _, h := range p.served {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	for _, it := range items {
		b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64String(it))
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return base64.RawURLEncoding.EncodeToString(b)
}
