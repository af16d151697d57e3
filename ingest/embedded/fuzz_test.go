package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
)

func whole(t interface{ Fatal(...any) }, entries ...entry) []byte {
	enc, err := newEncoder()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := enc.add(e); err != nil {
			t.Fatal(err)
		}
	}
	header, body, err := enc.finish()
	if err != nil {
		t.Fatal(err)
	}
	return append(header, body...)
}

// Whatever stands in a snapshot file, reading it ends with entries or an error.
func FuzzDecodeSnapshot(f *testing.F) {
	f.Add(whole(f), true)
	f.Add(whole(f, entry{Key: "k", Type: "string", Values: []string{"v"}}, entry{Key: "h", Type: "hash", Values: []string{"f", "v"}, Expires: 5}), true)
	f.Add([]byte(snapshotMagic), false)
	f.Fuzz(func(t *testing.T, file []byte, mend bool) {
		if mend && len(file) >= headerBytes { // let the fuzzer past the checksum
			body := file[headerBytes:]
			h := file[len(snapshotMagic):]
			binary.LittleEndian.PutUint64(h[4:], uint64(len(body)))
			binary.LittleEndian.PutUint32(h[12:], crc32.Checksum(body, castagnoli()))
		}
		n := 0
		err := decodeSnapshot(file, func(entry) error { n++; return nil })
		if err == nil && len(file) < headerBytes {
			t.Errorf("%d entries out of %d bytes", n, len(file))
		}
	})
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "-ERR x\r\n", ":12\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*2\r\n:1\r\n$0\r\n\r\n", "*-1\r\n", "*9999999\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rest := b
		if _, err := readReply(&rest); err == nil && len(rest) >= len(b) {
			t.Error("a reply of no bytes")
		}
	})
}
