package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A snapshot file is: magic, version (uint32), body length (uint64), CRC-32C of the body (uint32), body. The body is a
// zstd stream of gob values: the number of entries, then the entries. Numbers are little-endian.
const (
	snapshotMagic   = "SOFTRDS\n"
	snapshotVersion = 1
	headerBytes     = len(snapshotMagic) + 4 + 8 + 4
)

// castagnoli returns the table of the checksum; hardware computes it.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// encoder collects a snapshot in memory, compressed as it comes.
type encoder struct {
	body  bytes.Buffer
	zip   *zstd.Encoder
	gob   *gob.Encoder
	count int
}

func newEncoder() (*encoder, error) {
	e := &encoder{}
	var err error
	e.zip, err = zstd.NewWriter(&e.body, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	e.gob = gob.NewEncoder(e.zip)
	return e, nil
}

func (e *encoder) add(en entry) error {
	e.count++
	return e.gob.Encode(en)
}

// finish returns the whole file.
func (e *encoder) finish() (header, body []byte, err error) {
	if err := e.gob.Encode(entry{Type: endType, Expires: int64(e.count)}); err != nil {
		return nil, nil, err
	}
	if err := e.zip.Close(); err != nil {
		return nil, nil, err
	}
	body = e.body.Bytes()
	h := append(make([]byte, 0, headerBytes), snapshotMagic...)
	h = binary.LittleEndian.AppendUint32(h, snapshotVersion)
	h = binary.LittleEndian.AppendUint64(h, uint64(len(body)))
	h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(body, castagnoli()))
	return h, body, nil
}

// endType marks the last entry; its Expires is the number of entries before it.
const endType = "end"

// decodeSnapshot hands every entry of a file to out. It refuses a file that is not whole.
func decodeSnapshot(file []byte, out func(entry) error) error {
	if len(file) < headerBytes {
		return fmt.Errorf("%d bytes long, the header alone has %d", len(file), headerBytes)
	}
	if string(file[:len(snapshotMagic)]) != snapshotMagic {
		return errors.New("it does not start as a snapshot does")
	}
	h, body := file[len(snapshotMagic):headerBytes], file[headerBytes:]
	if v := binary.LittleEndian.Uint32(h); v != snapshotVersion {
		return fmt.Errorf("version %d, this build reads %d", v, snapshotVersion)
	}
	if n := binary.LittleEndian.Uint64(h[4:]); n != uint64(len(body)) {
		return fmt.Errorf("body of %d bytes, the header says %d", len(body), n)
	}
	if sum := crc32.Checksum(body, castagnoli()); sum != binary.LittleEndian.Uint32(h[12:]) {
		return errors.New("the checksum does not match")
	}
	return decodeBody(body, out)
}

func decodeBody(body []byte, out func(entry) error) error {
	zip, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer zip.Close()
	dec := gob.NewDecoder(zip)
	for n := int64(0); ; n++ {
		var en entry
		if err := dec.Decode(&en); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("entry %d: %w", n, err)
		}
		if en.Type == endType {
			if en.Expires != n {
				return fmt.Errorf("%d entries, it says %d", n, en.Expires)
			}
			return nil
		}
		if err := out(en); err != nil {
			return err
		}
	}
}
