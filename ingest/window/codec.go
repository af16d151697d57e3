package window

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
)

// A stored window is one string:
//
//	format (1 byte) | length of the head | head | body
//
// The head is what every change of a window changes: the version and the last applied offset of each partition, and as another
// partition's when the user was forgotten last (forgotten). Whoever writes
// a window names the head it started from, and the write counts only if that head is still there (swap.lua).
//
// The body holds the entries by property, each a column of whole numbers in as few bits as it takes: differences between
// neighbours for times and offsets, places in a table for what is text. Items are numbers of the dictionary (Names), or texts
// of the window's own table where they have none. Of an event id its 32-bit hash is kept. docs/decisions/0007 has the figures.
const windowFormat = 2

// head is what a stored window begins with.
type head struct {
	version int64
	offsets []progress
	names   uint16 // mark of the dictionary its numbers belong to, 0 for none
}

// appendHead appends format, length and head.
func appendHead(b []byte, h head) []byte {
	var space [64]byte
	in := binary.AppendUvarint(space[:0], uint64(h.version))
	in = binary.LittleEndian.AppendUint16(in, h.names)
	in = binary.AppendUvarint(in, uint64(len(h.offsets)))
	for _, p := range h.offsets {
		in = binary.AppendUvarint(in, uint64(p.partition))
		in = binary.AppendUvarint(in, uint64(p.offset))
	}
	b = append(b, windowFormat)
	b = binary.AppendUvarint(b, uint64(len(in)))
	return append(b, in...)
}

// cutHead parts a stored window into its head, with format and length, and its body.
func cutHead(value string) (front, body string, err error) {
	if value == "" || value[0] != windowFormat {
		return "", "", fmt.Errorf("format %q, want %d", value[:min(1, len(value))], windowFormat)
	}
	n, rest, err := uvarint(value[1:])
	if err != nil || n > uint64(len(rest)) {
		return "", "", fmt.Errorf("head: %w", errCut)
	}
	at := len(value) - len(rest) + int(n)
	return value[:at], value[at:], nil
}

// readHead reads what cutHead found.
func readHead(front string, into []progress) (h head, err error) {
	_, in, err := uvarint(front[1:])
	if err != nil {
		return head{}, err
	}
	version, in, err := uvarint(in)
	if err != nil || len(in) < 2 {
		return head{}, errCut
	}
	h = head{version: int64(version), names: binary.LittleEndian.Uint16([]byte(in[:2])), offsets: into[:0]}
	n, in, err := uvarint(in[2:])
	for ; err == nil && n > 0; n-- {
		var p, o uint64
		if p, in, err = uvarint(in); err != nil {
			break
		}
		if o, in, err = uvarint(in); err != nil {
			break
		}
		if k := len(h.offsets); p > math.MaxInt32 || o > maxOffset || k > 0 && h.offsets[k-1].partition >= int(p) {
			return head{}, fmt.Errorf("place %d:%d is out of order or range", p, o)
		}
		h.offsets = append(h.offsets, progress{int(p), int64(o)})
	}
	if err != nil || in != "" || h.version < 0 {
		return head{}, errCut
	}
	return h, nil
}

// knownTypes are types that take no room in a window's table. Their order is part of the format: new ones go to the end.
var knownTypes = [...]string{"view", "click", "purchase", "buy", "cart", "add_to_cart", "remove_from_cart", "like", "rating", "play",
	"listen", "search", "share", "save", "impression", "transaction"}

// Units of times, in milliseconds: the largest that divides all of a window's times is used.
var units = [...]int64{60_000, 1000, 1}

// maxScale bounds the decimal places of values that are kept as whole numbers.
const maxScale = 6

// itemNumbers gives numbers to items; 0 and false for one that has none.
type itemNumbers interface {
	number(item string) (uint32, bool)
}

// coder encodes and decodes windows. It keeps its buffers: one goroutine at a time may use it.
type coder struct {
	col                    []uint64
	items, types, sessions table
	w                      bitWriter
}

// table numbers texts in order of their first appearance.
type table struct{ texts []string }

func (t *table) place(s string) uint64 {
	i := slices.Index(t.texts, s)
	if i < 0 {
		i = len(t.texts)
		t.texts = append(t.texts, s)
	}
	return uint64(i)
}

// appendBody appends the body of a window to b; offsets are those of its head. Equal windows give equal bytes under one dictionary. A nil dictionary is an
// empty one.
func (c *coder) appendBody(b []byte, offsets []progress, entries []schema.Interaction, names itemNumbers) []byte {
	n := len(entries)
	b = binary.AppendUvarint(b, uint64(n))
	if n == 0 {
		return b
	}
	c.items.texts, c.types.texts, c.sessions.texts = c.items.texts[:0], append(c.types.texts[:0], knownTypes[:]...), c.sessions.texts[:0]
	if cap(c.col) < 3*n {
		c.col = make([]uint64, 3*n)
	}
	items, types, sessions := c.col[:n:n], c.col[n:2*n:2*n], c.col[2*n:3*n:3*n]
	for i, e := range entries {
		items[i], types[i], sessions[i] = c.itemCode(e.ItemID, names), c.types.place(e.Type), 0
		if e.SessionID != "" {
			sessions[i] = 1 + c.sessions.place(e.SessionID)
		}
	}
	if len(c.items.texts) == 0 { // the usual case: the bit that tells numbers from texts is not needed
		for i := range items {
			items[i] >>= 1
		}
	}
	b = appendTables(b, c.items.texts, c.types.texts[len(knownTypes):], c.sessions.texts)
	c.w = bitWriter{out: b}
	c.w.column(items)
	c.w.column(types)
	if len(c.sessions.texts) > 0 {
		c.w.column(sessions)
	}
	c.putTimes(entries)
	c.putPlaces(offsets, entries)
	c.putValues(entries)
	hashes := c.col[:n]
	for i, e := range entries {
		hashes[i] = uint64(e.EventHash)
	}
	c.w.column(hashes)
	return c.w.finish()
}

// itemCode is an item's number and 1, or its place in the table and 0.
func (c *coder) itemCode(item string, names itemNumbers) uint64 {
	if names != nil {
		if number, ok := names.number(item); ok {
			return uint64(number)<<1 | 1
		}
	}
	return c.items.place(item) << 1
}

// putTimes writes the unit, the newest time and the steps to it.
func (c *coder) putTimes(entries []schema.Interaction) {
	n := len(entries)
	unit := 0
	for _, e := range entries {
		for e.Timestamp.UnixMilli()%units[unit] != 0 {
			unit++
		}
	}
	c.w.put(uint64(unit), unitBits)
	last := entries[n-1].Timestamp.UnixMilli() / units[unit]
	c.w.number(uint64(last))
	if n == 1 {
		return
	}
	steps := c.col[:n-1]
	for i := range steps {
		steps[i] = uint64((entries[i+1].Timestamp.UnixMilli() - entries[i].Timestamp.UnixMilli()) / units[unit])
	}
	c.w.column(steps)
}

// putPlaces writes partitions, how far the newest entry's offset lies behind the last applied one of its partition, and the
// steps to it.
func (c *coder) putPlaces(offsets []progress, entries []schema.Interaction) {
	n := len(entries)
	partitions := c.col[:n]
	for i, e := range entries {
		partitions[i] = uint64(e.Partition)
	}
	c.w.column(partitions)
	c.w.number(zigzag(lastOffset(offsets, entries[n-1].Partition) - entries[n-1].Offset))
	if n == 1 {
		return
	}
	steps := c.col[:n-1]
	for i := range steps {
		steps[i] = zigzag(entries[i+1].Offset - entries[i].Offset)
	}
	c.w.column(steps)
}

// lastOffset is the last applied offset of a partition, 0 where there is none.
func lastOffset(offsets []progress, partition int) int64 {
	for _, p := range offsets {
		if p.partition == partition {
			return p.offset
		}
	}
	return 0
}

// putValues writes values as whole numbers of the smallest power of ten that keeps all of them exactly, or bit by bit.
func (c *coder) putValues(entries []schema.Interaction) {
	scale := 0
	for _, e := range entries {
		for scale <= maxScale && !exact(e.Value, scale) {
			scale++
		}
	}
	c.w.put(uint64(scale), scaleBits)
	values := c.col[:len(entries)]
	for i, e := range entries {
		if scale <= maxScale {
			values[i] = zigzag(int64(math.Round(e.Value * pow10(scale))))
		} else {
			values[i] = math.Float64bits(e.Value)
		}
	}
	c.w.column(values)
}

// exact reports whether v comes back from a whole number of tens to the minus scale.
func exact(v float64, scale int) bool {
	r := math.Round(v * pow10(scale))
	return math.Abs(r) < 1<<53 && r/pow10(scale) == v
}

func pow10(n int) float64 { return [...]float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6}[n] }

const (
	unitBits  = 2
	scaleBits = 3
)

// appendTables appends one byte that says which tables are not empty, and those.
func appendTables(b []byte, tables ...[]string) []byte {
	at := len(b)
	b = append(b, 0)
	for i, texts := range tables {
		if len(texts) > 0 {
			b[at] |= 1 << i
			b = appendTable(b, texts)
		}
	}
	return b
}

// appendTable appends the number of texts and each of them.
func appendTable(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, s := range texts {
		if id, ok := packUUID(s); ok {
			b = append(binary.AppendUvarint(b, 0), id[:]...)
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(len(s))+1), s...)
	}
	return b
}

// read is the inverse of appendTable. The texts share b's memory.
func (t *table) read(b string) (rest string, err error) {
	n, b, err := uvarint(b)
	if err != nil || n > uint64(len(b)) {
		return "", errCut
	}
	for ; n > 0; n-- {
		var size uint64
		if size, b, err = uvarint(b); err != nil {
			return "", err
		}
		packed := size == 0
		if packed {
			size = 17
		}
		if size--; size > uint64(len(b)) {
			return "", errCut
		}
		s := b[:size]
		if packed {
			s = unpackUUID(s)
		}
		t.texts = append(t.texts, s)
		b = b[size:]
	}
	return b, nil
}

// packUUID returns the 16 bytes of a UUID in its usual form, in lower case.
func packUUID(s string) (id [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	at := 0
	for i := 0; i < 36; i += 2 {
		if s[i] == '-' {
			i++
		}
		high, low := hexDigit(s[i]), hexDigit(s[i+1])
		if high > 15 || low > 15 {
			return id, false
		}
		id[at] = high<<4 | low
		at++
	}
	return id, true
}

func hexDigit(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10
	}
	return 255
}

func unpackUUID(b string) string {
	h := hex.EncodeToString([]byte(b))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// itemNames is the other direction of itemNumbers.
type itemNames interface {
	name(number uint32) (string, bool)
}

// readBody appends the entries of a body to into. Entries whose item has no name in the dictionary are left out, and counted
// as unnamed; highest is the largest number met. The texts of tables share body's memory.
func (c *coder) readBody(into []schema.Interaction, offsets []progress, body string, names itemNames) (entries []schema.Interaction, unnamed int, err error) {
	count, body, err := uvarint(body)
	switch {
	case err != nil:
		return nil, 0, err
	case count == 0 && body == "":
		return into, 0, nil
	case count == 0 || count > schema.MaxWindowLen:
		return nil, 0, fmt.Errorf("%d entries", count)
	}
	n := int(count)
	c.items.texts, c.types.texts, c.sessions.texts = c.items.texts[:0], append(c.types.texts[:0], knownTypes[:]...), c.sessions.texts[:0]
	tables := [...]*table{&c.items, &c.types, &c.sessions}
	if body == "" || body[0] >= 1<<len(tables) {
		return nil, 0, errCut
	}
	there := body[0]
	body = body[1:]
	for i, t := range tables {
		if there&(1<<i) == 0 {
			continue
		}
		if body, err = t.read(body); err != nil {
			return nil, 0, err
		}
	}
	start := len(into)
	entries = slices.Grow(into, n)[:start+n]
	window := entries[start:]
	if cap(c.col) < 3*n {
		c.col = make([]uint64, 3*n)
	}
	col := c.col[:n]
	r := bitReader{in: body}
	missing := c.readItems(&r, window, col, names)
	r.column(col)
	for i, x := range col {
		window[i].Type = textAt(&r, c.types.texts, x)
	}
	c.readSessions(&r, window, col)
	c.readTimes(&r, window, col)
	c.readPlaces(&r, offsets, window, col)
	c.readValues(&r, window, col)
	r.column(col)
	for i, x := range col {
		if x > math.MaxUint32 {
			r.fault("an event hash of more than 32 bits")
		}
		window[i].EventHash, window[i].EventID = uint32(x), ""
	}
	if err := r.end(); err != nil {
		return nil, 0, err
	}
	if missing > 0 {
		entries = entries[:start+len(slices.DeleteFunc(window, func(e schema.Interaction) bool { return e.ItemID == "" }))]
	}
	return entries, missing, nil
}

func (r *bitReader) fault(what string) {
	if r.err == nil {
		r.err = errors.New(what)
	}
}

// textAt returns the text at a place of a table.
func textAt(r *bitReader, texts []string, place uint64) string {
	if place >= uint64(len(texts)) {
		r.fault("a text that is not in its table")
		return ""
	}
	return texts[place]
}

// readItems returns how many items have no name; their entries have none either.
func (c *coder) readItems(r *bitReader, window []schema.Interaction, col []uint64, names itemNames) (missing int) {
	r.column(col)
	for i, x := range col {
		if len(c.items.texts) > 0 {
			if x&1 == 0 {
				if window[i].ItemID = textAt(r, c.items.texts, x>>1); window[i].ItemID == "" {
					r.fault("an empty item id")
				}
				continue
			}
			x >>= 1
		}
		name, ok := "", false
		if names != nil && x <= math.MaxUint32 {
			name, ok = names.name(uint32(x))
		}
		if !ok {
			missing++
		}
		window[i].ItemID = name
	}
	return missing
}

func (c *coder) readSessions(r *bitReader, window []schema.Interaction, col []uint64) {
	clear(col)
	if len(c.sessions.texts) > 0 {
		r.column(col)
	}
	for i, x := range col {
		if window[i].SessionID = ""; x > 0 {
			window[i].SessionID = textAt(r, c.sessions.texts, x-1)
		}
	}
}

func (c *coder) readTimes(r *bitReader, window []schema.Interaction, col []uint64) {
	at := r.get(unitBits)
	if at >= uint64(len(units)) {
		r.fault("an unknown unit of time")
		return
	}
	unit := units[at]
	const latest = 253402300799999 // the end of the year 9999
	last := r.number()
	steps := col[:len(col)-1]
	if len(steps) > 0 {
		r.column(steps)
	}
	for i := len(col) - 1; ; i-- {
		if last > uint64(latest/unit) {
			r.fault("a time outside 1970 to 9999")
			return
		}
		window[i].Timestamp = time.UnixMilli(int64(last) * unit).UTC()
		if i == 0 {
			return
		}
		last -= steps[i-1]
	}
}

func (c *coder) readPlaces(r *bitReader, offsets []progress, window []schema.Interaction, col []uint64) {
	r.column(col)
	for i, x := range col {
		if x > math.MaxInt32 {
			r.fault("a partition that is out of range")
		}
		window[i].Partition = int(x)
	}
	n := len(window)
	offset := lastOffset(offsets, window[n-1].Partition) - unzigzag(r.number())
	steps := col[:n-1]
	if len(steps) > 0 {
		r.column(steps)
	}
	for i := n - 1; ; i-- {
		if offset < 0 || offset > maxOffset {
			r.fault("an offset that is out of range")
			return
		}
		window[i].Offset = offset
		if i == 0 {
			return
		}
		offset -= unzigzag(steps[i-1])
	}
}

func (c *coder) readValues(r *bitReader, window []schema.Interaction, col []uint64) {
	scale := int(r.get(scaleBits))
	r.column(col)
	for i, x := range col {
		v := math.Float64frombits(x)
		if scale <= maxScale {
			v = float64(unzigzag(x)) / pow10(scale)
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			r.fault("a value that is not finite")
		}
		window[i].Value = v
	}
}
