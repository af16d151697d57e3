package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/pace"
)

// Hash is the SHA-256, in lower-case hex, over the names and contents of files. The order of the map has no part in it.
func Hash(files map[string][]byte) string { return hashList(describe(files, nil)) }

// describe lists files by name with their sizes and hashes, at the pace of p.
func describe(files map[string][]byte, p *pace.Pacer) []schema.File {
	list := make([]schema.File, 0, len(files))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := sha256.New()
		for part := range slices.Chunk(files[name], piece) {
			h.Write(part)
			p.Did(len(part))
		}
		list = append(list, schema.File{Name: name, Bytes: int64(len(files[name])), SHA256: hex.EncodeToString(h.Sum(nil))})
	}
	return list
}

// hashList hashes names and hashes; every name goes in with its length, so that no two lists read alike.
func hashList(list []schema.File) string {
	h := sha256.New()
	for _, f := range list {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(f.Name)))
		h.Write(n[:])
		h.Write([]byte(f.Name))
		h.Write([]byte(f.SHA256)) // 64 bytes always
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Version names the snapshot of a round by its hash: "r000012-3fa9c1d2".
func Version(round int, hash string) string { return fmt.Sprintf("r%06d-%.8s", round, hash) }

var versionPattern = regexp.MustCompile(`^r[0-9]{6,18}-[0-9a-f]{8}$`)

// IsVersion reports whether s has the form Version gives.
func IsVersion(s string) bool { return versionPattern.MatchString(s) }
