package serve

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/softrec/softrec/schema"
)

// packed is a key and a list in one text, in which unpack leaves the texts of the items. Numbers are varints; a text follows its length:
//
//	length of the key, the key (the user first), number of items, then for each: id, title, place of its source in schema.Sources,
//	bits of its score, bits of its propensity
type packed string

// keyRoom is enough for the usual key, so that packing it for a look allocates nothing.
const keyRoom = 256

// pack appends the key. Different keys make different bytes.
func (k *cacheKey) pack(b []byte) []byte {
	b = appendSized(b, k.user)
	b = appendSized(b, k.model)
	b = appendSized(b, k.query)
	for _, n := range [...]int64{k.window, int64(k.entries), int64(k.partition), k.offset, k.catalogue, k.text} {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func appendSized(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// packs reports whether a list has nothing that pack leaves out.
func packs(l []schema.AnswerItem) bool {
	for i := range l {
		if len(l[i].Parts) > 0 || len(l[i].Why) > 0 || sourceAt(l[i].Source) < 0 {
			return false
		}
	}
	return true
}

func pack(key []byte, l []schema.AnswerItem) packed {
	b := make([]byte, 0, len(key)+10+len(l)*64)
	b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	b = binary.AppendUvarint(b, uint64(len(l)))
	for i := range l {
		it := &l[i]
		b = appendSized(appendSized(b, it.ID), it.Title)
		b = append(b, byte(sourceAt(it.Source)))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(it.Score))
		b = binary.AppendUvarint(b, math.Float64bits(it.Propensity)) // nearly always 0
	}
	return packed(b)
}

// under reports whether the list is the one of a packed key.
func (p packed) under(key []byte) bool {
	r := unpacker(p)
	return r.text() == string(key)
}

// user is whose list it is.
func (p packed) user() string {
	r := unpacker(p)
	r = unpacker(r.text())
	return r.text()
}

// catalogue is the version that the list was made with.
func (p packed) catalogue() int64 {
	r := unpacker(p)
	r = unpacker(r.text())
	for range 3 {
		r.text() // user, model, query
	}
	for range 4 {
		r.number() // window, entries, partition, offset
	}
	n := r.number()
	return int64(n>>1) ^ -int64(n&1) // as binary.AppendVarint folds it
}

// unpack returns the items. Their texts are parts of p.
func (p packed) unpack() []schema.AnswerItem {
	r := unpacker(p)
	r.text()
	l := make([]schema.AnswerItem, r.number())
	for i := range l {
		it := &l[i]
		it.ID, it.Title, it.Source = r.text(), r.text(), sources[r.byte()]
		it.Score, it.Propensity = math.Float64frombits(r.bits()), math.Float64frombits(r.number())
	}
	return l
}

// unpacker is what is left to read. It reads only what pack wrote.
type unpacker string

func (r *unpacker) byte() byte {
	b := (*r)[0]
	*r = (*r)[1:]
	return b
}

func (r *unpacker) number() (n uint64) {
	for shift := 0; ; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (r *unpacker) bits() (n uint64) {
	for i := range 8 {
		n |= uint64((*r)[i]) << (8 * i)
	}
	*r = (*r)[8:]
	return n
}

func (r *unpacker) text() string {
	n := r.number()
	s := (*r)[:n]
	*r = (*r)[n:]
	return string(s)
}

// sources gives each source its place; none has one, too.
var sources = append(schema.Sources(), "")

func sourceAt(s schema.Source) int { return slices.Index(sources, s) }
