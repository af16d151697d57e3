package textlive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
)

// vectorMagic starts a file of vectors; the digit is the version of the format. The width follows, then the records: key,
// vector, checksum of both.
const vectorMagic = "softrec-vectors-1\n"

type vectorKey [16]byte

// vectorFile keeps vectors by the tokens they were made of. Records are only appended; one that was cut off by a crash, and
// what follows it, is dropped at the next start. It is for one goroutine.
type vectorFile struct {
	file    *os.File
	dim     int
	known   map[vectorKey][]float32 // of earlier lives, until the first sync is done
	records int
}

// openVectors opens the file of a model in dir, or makes it.
func openVectors(dir, model string, dim int, log *slog.Logger) (*vectorFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of title vectors: %w", err)
	}
	sum := sha256.Sum256([]byte(model))
	path := filepath.Join(dir, hex.EncodeToString(sum[:8])+".vectors")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open title vectors: %w", err)
	}
	f := &vectorFile{file: file, dim: dim}
	good, err := f.load()
	if err == nil {
		err = f.cut(good)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read title vectors %s: %w", filepath.Base(path), err), file.Close())
	}
	log.Info("title vectors on file", "vectors", f.records)
	return f, nil
}

func (f *vectorFile) header() []byte {
	return binary.LittleEndian.AppendUint32([]byte(vectorMagic), uint32(f.dim))
}

func (f *vectorFile) recordSize() int { return len(vectorKey{}) + 4*f.dim + 4 }

// load reads the records and returns the length of the file up to the last whole one; 0 for a file of another kind.
func (f *vectorFile) load() (int64, error) {
	f.known, f.records = map[vectorKey][]float32{}, 0
	in := bufio.NewReaderSize(f.file, 1<<20)
	head := make([]byte, len(f.header()))
	if _, err := io.ReadFull(in, head); err != nil || !bytes.Equal(head, f.header()) {
		return 0, whole(err)
	}
	record := make([]byte, f.recordSize())
	good := int64(len(head))
	for {
		if _, err := io.ReadFull(in, record); err != nil {
			return good, whole(err)
		}
		key, vec, ok := f.decode(record)
		if !ok {
			return good, nil
		}
		f.known[key] = vec
		f.records++
		good += int64(len(record))
	}
}

// whole drops the errors that say that a file ends.
func whole(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func (f *vectorFile) encode(key vectorKey, vec []float32) []byte {
	out := append(make([]byte, 0, f.recordSize()), key[:]...)
	for _, v := range vec {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
}

func (f *vectorFile) decode(record []byte) (key vectorKey, vec []float32, ok bool) {
	body := record[:len(record)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(record[len(body):]) {
		return key, nil, false
	}
	copy(key[:], body)
	vec = make([]float32, f.dim)
	for i := range vec {
		vec[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[len(key)+4*i:]))
		if vec[i]-vec[i] != 0 { // NaN and the infinities
			return key, nil, false
		}
	}
	return key, vec, true
}

// cut makes the file end after its good part, and begin with a header.
func (f *vectorFile) cut(good int64) error {
	if err := f.file.Truncate(good); err != nil {
		return err
	}
	if _, err := f.file.Seek(good, io.SeekStart); err != nil {
		return err
	}
	if good > 0 {
		return nil
	}
	_, err := f.file.Write(f.header())
	return err
}

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

// vector is the one on file for a text, nil for none.
func (f *vectorFile) vector(tokens []int32) []float32 {
	if len(f.known) == 0 {
		return nil
	}
	return f.known[keyOf(tokens)]
}

// add appends vectors.
func (f *vectorFile) add(texts [][]int32, vecs [][]float32) error {
	var out []byte
	for i, t := range texts {
		out = append(out, f.encode(keyOf(t), vecs[i])...)
	}
	if _, err := f.file.Write(out); err != nil {
		return fmt.Errorf("keep title vectors: %w", err)
	}
	f.records += len(texts)
	return nil
}

// settle is called when every title has its vector: the ones of earlier lives leave memory, and a file that mostly holds
// titles that are gone is written anew.
func (f *vectorFile) settle(entries map[string]*entry) error {
	f.known = nil
	if f.records <= 1000+4*len(entries) {
		return nil
	}
	f.records = 0
	if err := f.cut(0); err != nil {
		return fmt.Errorf("rewrite the file of title vectors: %w", err)
	}
	for _, e := range entries {
		if e.vec == nil {
			continue
		}
		if err := f.add([][]int32{e.tokens}, [][]float32{e.vec}); err != nil {
			return err
		}
	}
	return nil
}

func (f *vectorFile) close() error { return f.file.Close() }
