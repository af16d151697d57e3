package schema

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// ManifestSchema is the version of the Manifest document this code writes.
const ManifestSchema = 1

// File is one file of a snapshot.
type File struct {
	Name   string `json:"name"`   // slash-separated path inside the snapshot
	Bytes  int64  `json:"bytes"`  // size
	SHA256 string `json:"sha256"` // lower-case hex
}

// Manifest describes an immutable snapshot. It is written last: a snapshot without a manifest does not exist.
type Manifest struct {
	Schema    int                `json:"schema"`
	Version   string             `json:"version"` // "r000012-3fa9c1d2": round and start of the content hash
	Parent    string             `json:"parent,omitempty"`
	Round     int                `json:"round"`
	Learner   string             `json:"learner"`    // "counts" or "sequence"
	CreatedAt time.Time          `json:"created_at"` // not part of the hash
	Seed      uint64             `json:"seed"`
	Backend   string             `json:"backend"` // what trained it, for example "go" or "xla"
	Offsets   map[string]int64   `json:"offsets"` // next Kafka offset by partition: everything below is learnt
	Metrics   map[string]float64 `json:"metrics"` // figures of the round that made it
	Config    json.RawMessage    `json:"config,omitempty"`
	Files     []File             `json:"files"`
	Hash      string             `json:"hash"` // SHA-256 over the files' names and hashes, hex
}

// DecodeManifest reads and validates a manifest.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := decodeObject("manifest", b, &m); err != nil {
		return Manifest{}, err
	}
	m.Config = canonical(m.Config)
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// canonical is raw as json.Marshal writes it again, so that a manifest that was read and written does not change.
func canonical(raw json.RawMessage) json.RawMessage {
	b, err := json.Marshal(raw)
	if err != nil || string(b) == "null" {
		return nil
	}
	return b
}

// Validate reports every fault of m, each as a *FieldError, joined.
func (m Manifest) Validate() error {
	var errs []error
	if m.Schema < 1 || m.Schema > ManifestSchema {
		errs = append(errs, fieldError("schema", fmt.Sprint(m.Schema), "is not known, this build reads 1 to %d", ManifestSchema))
	}
	errs = append(errs, checkID("version", m.Version), checkID("learner", m.Learner),
		checkText("parent", m.Parent, MaxIDLen), checkText("backend", m.Backend, MaxIDLen), checkText("hash", m.Hash, MaxIDLen))
	if m.Round < 0 {
		errs = append(errs, fieldError("round", fmt.Sprint(m.Round), "is negative"))
	}
	if y := m.CreatedAt.Year(); y < 1 || y > 9999 {
		errs = append(errs, fieldError("created_at", m.CreatedAt.String(), "lies outside the years 1 to 9999"))
	}
	errs = append(errs, checkOffsets(m.Offsets))
	for _, name := range slices.Sorted(maps.Keys(m.Metrics)) {
		if v := m.Metrics[name]; math.IsNaN(v) || math.IsInf(v, 0) {
			errs = append(errs, fieldError("metrics."+name, fmt.Sprint(v), "is not a finite number"))
		}
		errs = append(errs, checkUnicode("metrics", name))
	}
	if len(m.Files) == 0 {
		errs = append(errs, fieldError("files", "", "is empty"))
	}
	for i, f := range m.Files {
		if err := checkID(fmt.Sprintf("files[%d].name", i), f.Name); err != nil {
			errs = append(errs, err)
		} else if !fs.ValidPath(f.Name) || f.Name == "." {
			// Whoever reads a snapshot joins the name to a folder: it must not lead out of it.
			errs = append(errs, fieldError(fmt.Sprintf("files[%d].name", i), f.Name, "is not a path inside the snapshot"))
		}
		if b, err := hex.DecodeString(f.SHA256); err != nil || len(b) != 32 {
			errs = append(errs, fieldError(fmt.Sprintf("files[%d].sha256", i), f.SHA256, "is not a SHA-256 in hex"))
		}
		if f.Bytes < 0 {
			errs = append(errs, fieldError(fmt.Sprintf("files[%d].bytes", i), fmt.Sprint(f.Bytes), "is negative"))
		}
	}
	return errors.Join(errs...)
}

// checkOffsets reports every entry that is not a partition with an offset.
func checkOffsets(offsets map[string]int64) error {
	var errs []error
	for _, p := range slices.Sorted(maps.Keys(offsets)) {
		if n, err := strconv.Atoi(p); err != nil || n < 0 || offsets[p] < 0 {
			errs = append(errs, fieldError("offsets", fmt.Sprintf("%s: %d", p, offsets[p]), "is not a partition and an offset"))
		}
	}
	return errors.Join(errs...)
}
