package textlive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
)

// vectorMagic starts a file of vectors; the digit is the version of the format. The width follows, then the records: key,
// vector, checksum of both.
const vectorMagic = "softrec-vectors-1\n"

type vectorKey [16]byte

// keyOf names a text.
func keyOf(tokens []int32) (key vectorKey) {
	h := sha256.New()
	for _, t := range tokens {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], uint32(t))
		h.Write(b[:])
	}
	copy(key[:], h.Sum(nil))
	return key
}

func (f *vectorFile) header() []byte {
	return binary.LittleEndian.AppendUint32([]byte(vectorMagic), uint32(f.dim))
}

func (f *vectorFile) recordSize() int { return len(vectorKey{}) + 4*f.dim + 4 }

// records counts those in the file, of which some may have one key.
func (f *vectorFile) records() int {
	return int(max(0, f.size-int64(len(f.header())))) / f.recordSize()
}

// load finds the records, but for damaged ones, up to the last that is whole; none in a file of another kind.
func (f *vectorFile) load(file io.Reader) error {
	in := bufio.NewReaderSize(file, 1<<20)
	head := make([]byte, len(f.header()))
	if _, err := io.ReadFull(in, head); err != nil || !bytes.Equal(head, f.header()) {
		return whole(err)
	}
	f.size = int64(len(head))
	record := make([]byte, f.recordSize())
	for at := f.size; ; at += int64(len(record)) {
		if _, err := io.ReadFull(in, record); err != nil {
			return whole(err)
		}
		if key, ok := f.check(record); ok {
			f.uses++
			f.index[key] = place{at, f.uses}
			f.size = at + int64(len(record))
		}
	}
}

// whole drops the errors that say that a file ends.
func whole(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

var errDamaged = errors.New("damaged record")

// record reads one back as it was written.
func (f *vectorFile) record(key vectorKey, p place) ([]byte, error) {
	record := make([]byte, f.recordSize())
	if _, err := f.file.ReadAt(record, p.at); err != nil {
		return nil, err
	}
	if own, ok := f.check(record); !ok || own != key {
		return nil, errDamaged
	}
	return record, nil
}

func (f *vectorFile) encode(key vectorKey, vec []float32) []byte {
	out := append(make([]byte, 0, f.recordSize()), key[:]...)
	for _, v := range vec {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
}

// check tells whether a record is whole and a vector of finite numbers.
func (f *vectorFile) check(record []byte) (key vectorKey, ok bool) {
	body := record[:len(record)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(record[len(body):]) {
		return key, false
	}
	copy(key[:], body)
	for i := range f.dim {
		if v := component(body, i); v-v != 0 { // NaN and the infinities
			return key, false
		}
	}
	return key, true
}

// vec is the vector of a record.
func (f *vectorFile) vec(record []byte) []float32 {
	out := make([]float32, f.dim)
	for i := range out {
		out[i] = component(record, i)
	}
	return out
}

func component(record []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(record[len(vectorKey{})+4*i:]))
}
