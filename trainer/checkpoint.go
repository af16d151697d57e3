package trainer

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// checkpointFile is the one file of a trainer's folder; it is replaced whole.
const checkpointFile = "trainer.ckpt"

// checkpointMagic starts a checkpoint; the digit is the version of the format.
const checkpointMagic = "softrec-trainer-1\n"

// checkpoint is everything a trainer needs to go on after a kill as if nothing had happened.
type checkpoint struct {
	Round     int
	Offsets   map[int]int64 // next offset by partition
	Live      string        // version live after the round
	Vocab     []byte
	Counts    []byte
	Network   []byte // empty: none
	Adapter   []byte // empty: none
	Mixing    []byte
	Cut       int // see knowledge
	Carried   []segment
	Replay    replay
	Users     []userBlob
	Scores    checkpointScores
	Shadow    *trialState // nil: no candidate is on trial
	Watch     *trialState // nil: no predecessor is kept
	Wary      int         // see knowledge
	Rollbacks int
	Deletions []schema.Deletion // receipts that were open at the cut
	Withdrawn int64             // items of the journal of deletions that are taken out of all this
	Receipts  []schema.Deletion // of those of them that may not be confirmed
	Identity  string            // what the state was made with; see Config.identity
}

// userBlob is one user's encoded window.State.
type userBlob struct {
	ID    string
	State []byte
}

// encodeUsers encodes the states of a cut.
func encodeUsers(users []userState) ([]userBlob, error) {
	out := make([]userBlob, len(users))
	for i, u := range users {
		b := u.Packed
		if b == nil {
			var err error
			if b, err = u.State.MarshalBinary(); err != nil {
				return nil, fmt.Errorf("encode window of user %q: %w", u.ID, err)
			}
		}
		out[i] = userBlob{ID: u.ID, State: b}
	}
	return out, nil
}

// decodeUsers is the inverse of encodeUsers.
func decodeUsers(blobs []userBlob) (map[string]*user, error) {
	out := make(map[string]*user, len(blobs))
	for _, b := range blobs {
		s := &window.State{}
		if err := s.UnmarshalBinary(b.State); err != nil {
			return nil, fmt.Errorf("decode window of user %q: %w", b.ID, err)
		}
		u := &user{state: s, open: -1}
		if e := s.Entries(); len(e) > 0 {
			u.newest = e[len(e)-1].Timestamp.UnixMilli()
		}
		u.pack() // of a million users few will come back at once
		out[b.ID] = u
	}
	return out, nil
}

// encode returns the bytes of both parts, empty for one that is not there.
func (n Network) encode() (network, adapter []byte, err error) {
	if n.Sequence != nil {
		if network, err = n.Sequence.Encode(); err != nil {
			return nil, nil, fmt.Errorf("encode the last network: %w", err)
		}
	}
	if n.Adapter != nil {
		if adapter, err = n.Adapter.Encode(); err != nil {
			return nil, nil, fmt.Errorf("encode the last adapter: %w", err)
		}
	}
	return network, adapter, nil
}

// decodeNetwork is the inverse of encode.
func decodeNetwork(network, adapter []byte) (n Network, err error) {
	if len(network) > 0 {
		if n.Sequence, err = sequence.Decode(network); err != nil {
			return Network{}, fmt.Errorf("last network: %w", err)
		}
	}
	if len(adapter) > 0 {
		if n.Adapter, err = lora.Decode(adapter); err != nil {
			return Network{}, fmt.Errorf("last adapter: %w", err)
		}
	}
	return n, nil
}

// save replaces the checkpoint in dir.
func (c checkpoint) save(dir string) error { return c.saveAs(filepath.Join(dir, checkpointFile)) }

// saveAs replaces the file path: written beside it, synced, renamed, and the folder synced.
func (c checkpoint) saveAs(path string) error {
	var body bytes.Buffer
	z, err := zstd.NewWriter(&body, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return fmt.Errorf("encode checkpoint: %w", err)
	}
	if err := errors.Join(gob.NewEncoder(z).Encode(c), z.Close()); err != nil {
		return fmt.Errorf("encode checkpoint: %w", err)
	}
	sum := sha256.Sum256(body.Bytes())
	return replaceFile(path, []byte(checkpointMagic), sum[:], body.Bytes())
}

// tempMark stands between the name of the checkpoint and the random end of a file that is being written.
const tempMark = ".tmp-"

// removeLeftovers deletes what a writer that was killed left in dir.
func removeLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), checkpointFile+".") && strings.Contains(e.Name(), tempMark) { // of one that was set aside, too
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("remove unfinished checkpoints: %w", err)
	}
	return nil
}

// replaceFile writes parts to path such that a reader sees the old file or the new one, also after a crash.
func replaceFile(path string, parts ...[]byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder for %s: %w", filepath.Base(path), err)
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+tempMark+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), f.Close(), os.Remove(f.Name()))
		}
	}()
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// errNoCheckpoint says that the folder holds no checkpoint: a first start.
var errNoCheckpoint = errors.New("no checkpoint")

// loadCheckpoint reads dir's checkpoint.
func loadCheckpoint(dir string) (checkpoint, error) {
	return loadFrom(filepath.Join(dir, checkpointFile))
}

// loadFrom reads a checkpoint's file. A damaged one is an *unusableError that names it.
func loadFrom(path string) (checkpoint, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return checkpoint{}, errNoCheckpoint
	}
	if err != nil {
		return checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	c, err := decodeCheckpoint(b)
	if err != nil {
		return checkpoint{}, &unusableError{fmt.Errorf("checkpoint %s: %w", path, err)}
	}
	return c, nil
}

// decodeCheckpoint checks and decodes the bytes of a checkpoint file.
func decodeCheckpoint(b []byte) (checkpoint, error) {
	head := len(checkpointMagic) + sha256.Size
	if len(b) < head || string(b[:len(checkpointMagic)]) != checkpointMagic {
		return checkpoint{}, errors.New("is not a checkpoint of this version")
	}
	body := b[head:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], b[len(checkpointMagic):head]) {
		return checkpoint{}, errors.New("its bytes do not match their checksum")
	}
	z, err := zstd.NewReader(bytes.NewReader(body))
	if err != nil {
		return checkpoint{}, err
	}
	defer z.Close()
	var c checkpoint
	if err := gob.NewDecoder(z).Decode(&c); err != nil {
		return checkpoint{}, fmt.Errorf("decode: %w", err)
	}
	return c, nil
}
