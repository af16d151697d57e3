package ranker

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// Files of an encoded bundle.
const (
	FileVocab    = "vocab.txt"
	FileCounts   = "counts.bin"
	FileSequence = "sequence.bin" // absent from a bundle of counts alone
	FileMixer    = "mixer.json"
)

// Bundle is a complete model. Its parts belong to it: nobody may change them once it answers requests.
type Bundle struct {
	Vocab    *vocab.Vocab
	Counts   *counts.Counts
	Sequence *sequence.Weights // nil: the sequence score is left out
	Mixer    *mixer.Mixer
}

// New checks that the parts fit each other and returns them as a bundle. A nil mixer is DefaultMixer. A network may
// lag behind the vocabulary (items it does not know have no sequence score), not the other way round.
func New(v *vocab.Vocab, c *counts.Counts, seq *sequence.Weights, m *mixer.Mixer) (*Bundle, error) {
	if v == nil || c == nil {
		return nil, errors.New("build bundle: vocabulary or counts are missing")
	}
	if m == nil {
		d, err := DefaultMixer()
		if err != nil {
			return nil, fmt.Errorf("build bundle: %w", err)
		}
		m = d
	}
	if !sameLayout(m.Layout()) {
		return nil, fmt.Errorf("build bundle: the mixer reads the columns %v, this build makes %v", m.Layout(), Layout())
	}
	if c.Len() > v.Len() {
		return nil, fmt.Errorf("build bundle: counts of %d items for a vocabulary of %d", c.Len(), v.Len())
	}
	if seq != nil && seq.Vocab() > v.Len() {
		return nil, fmt.Errorf("build bundle: sequence table of %d rows for a vocabulary of %d", seq.Vocab(), v.Len())
	}
	return &Bundle{Vocab: v, Counts: c, Sequence: seq, Mixer: m}, nil
}

// Encode returns the files of a snapshot. Equal bundles have equal bytes.
func (b *Bundle) Encode() (map[string][]byte, error) {
	files := map[string][]byte{}
	var errs []error
	put := func(name string, bytes []byte, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("encode %s: %w", name, err))
		}
		files[name] = bytes
	}
	text, err := b.Vocab.MarshalBinary()
	put(FileVocab, text, err)
	bin, err := b.Counts.MarshalBinary()
	put(FileCounts, bin, err)
	doc, err := json.Marshal(b.Mixer)
	put(FileMixer, doc, err)
	if b.Sequence != nil {
		bin, err := b.Sequence.Encode()
		put(FileSequence, bin, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return files, nil
}

// Decode reads what Encode wrote. Files it does not know are left alone; a missing or damaged one is an error that
// names it.
func Decode(files map[string][]byte) (*Bundle, error) {
	for _, name := range []string{FileVocab, FileCounts, FileMixer} {
		if _, ok := files[name]; !ok {
			return nil, fmt.Errorf("decode bundle: file %s is missing", name)
		}
	}
	v, c := vocab.New(), &counts.Counts{}
	if err := v.UnmarshalBinary(files[FileVocab]); err != nil {
		return nil, fmt.Errorf("decode bundle: %s: %w", FileVocab, err)
	}
	if err := c.UnmarshalBinary(files[FileCounts]); err != nil {
		return nil, fmt.Errorf("decode bundle: %s: %w", FileCounts, err)
	}
	m, err := mixer.Decode(files[FileMixer])
	if err != nil {
		return nil, fmt.Errorf("decode bundle: %s: %w", FileMixer, err)
	}
	var seq *sequence.Weights
	if bin, ok := files[FileSequence]; ok {
		if seq, err = sequence.Decode(bin); err != nil {
			return nil, fmt.Errorf("decode bundle: %s: %w", FileSequence, err)
		}
	}
	return New(v, c, seq, m)
}
