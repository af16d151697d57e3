package ranker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/nearest"
	"github.com/softrec/softrec/trainer/model/pace"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/model/words"
)

// Files of an encoded bundle.
const (
	FileVocab    = "vocab.txt"
	FileCounts   = "counts.bin"
	FileSequence = "sequence.bin" // absent from a bundle of counts alone
	FileMixer    = "mixer.json"
	FileNearest  = "nearest.bin" // of the network's item table; absent where all items are scored
	FileWords    = "words.bin"   // absent where no item has a title
	FileText     = "text.json"   // absent from a bundle that reads no language model
	FileAdapter  = "adapter.bin" // absent where the language model answers untuned
)

// Bundle is a complete model. Its parts belong to it: nobody may change them once it answers requests.
type Bundle struct {
	Vocab    *vocab.Vocab
	Counts   *counts.Counts
	Sequence *sequence.Weights // nil: the sequence score is left out
	Mixer    *mixer.Mixer
	Words    *words.Table // of the items' titles; nil: they have no say

	TextModel string        // the language model whose text the mixer reads, by its Model name; empty: none
	Adapter   *lora.Adapter // what tunes that model, nil: nothing

	textKey string
	shelf   *shelf
	index   *nearest.Index // of the network's item table, nil where all items are scored
}

// New checks that the parts fit each other and returns them as a bundle that reads no text. A nil mixer is DefaultMixer;
// one that reads some of the columns only, as that of an older build does, goes on with them.
// A network may lag behind the vocabulary (items it does not know have no sequence score), not the other way round.
func New(v *vocab.Vocab, c *counts.Counts, seq *sequence.Weights, m *mixer.Mixer) (*Bundle, error) {
	return plain(v, c, seq, m, nil)
}

// plain is New at the pace of p.
func plain(v *vocab.Vocab, c *counts.Counts, seq *sequence.Weights, m *mixer.Mixer, p *pace.Pacer) (*Bundle, error) {
	if m == nil {
		d, err := DefaultMixer()
		if err != nil {
			return nil, fmt.Errorf("build bundle: %w", err)
		}
		m = d
	}
	return assemble(Bundle{Vocab: v, Counts: c, Sequence: seq, Mixer: widened(m, Layout())}, Layout(), p)
}

// widened is m for a layout that has more columns, as one of an older build has fewer: they have no say until it is fitted. A mixer
// that reads others is returned as it is, for assemble to refuse.
func widened(m *mixer.Mixer, layout mixer.Layout) *mixer.Mixer {
	if sameLayout(m.Layout(), layout) {
		return m
	}
	if wide, err := m.Onto(layout); err == nil {
		return wide
	}
	return m
}

// assemble checks that the parts fit each other and that the mixer reads layout.
func assemble(b Bundle, layout mixer.Layout, p *pace.Pacer) (*Bundle, error) {
	if b.Vocab == nil || b.Counts == nil {
		return nil, errors.New("build bundle: vocabulary or counts are missing")
	}
	if !sameLayout(b.Mixer.Layout(), layout) {
		return nil, fmt.Errorf("build bundle: the mixer reads the columns %v, this build makes %v", b.Mixer.Layout(), layout)
	}
	if b.Counts.Len() > b.Vocab.Len() {
		return nil, fmt.Errorf("build bundle: counts of %d items for a vocabulary of %d", b.Counts.Len(), b.Vocab.Len())
	}
	if b.Sequence != nil && b.Sequence.Vocab() > b.Vocab.Len() {
		return nil, fmt.Errorf("build bundle: sequence table of %d rows for a vocabulary of %d", b.Sequence.Vocab(), b.Vocab.Len())
	}
	var err error
	if b.textKey, err = keyOf(b.TextModel, b.Adapter); err != nil {
		return nil, err
	}
	if b.Sequence != nil {
		if b.index, err = b.Sequence.Near(); err != nil {
			return nil, fmt.Errorf("build bundle: %w", err)
		}
	}
	b.Counts.Prepare(p)
	b.shelf = newShelf(&b, p)
	return &b, nil
}

// NewText is New for a bundle that reads the text of the language model of that name, tuned by adapter, nil for untuned.
// A nil mixer is DefaultTextMixer; one that does not read text yet gets the columns, with no say until it is fitted.
func NewText(v *vocab.Vocab, c *counts.Counts, seq *sequence.Weights, model string, adapter *lora.Adapter, m *mixer.Mixer) (*Bundle, error) {
	return reading(v, c, seq, model, adapter, m, nil)
}

// reading is NewText at the pace of p.
func reading(v *vocab.Vocab, c *counts.Counts, seq *sequence.Weights, model string, adapter *lora.Adapter, m *mixer.Mixer, p *pace.Pacer) (*Bundle, error) {
	if model == "" {
		return nil, errors.New("build bundle: the language model has no name")
	}
	if m == nil {
		d, err := DefaultTextMixer()
		if err != nil {
			return nil, fmt.Errorf("build bundle: %w", err)
		}
		m = d
	}
	return assemble(Bundle{Vocab: v, Counts: c, Sequence: seq, Mixer: widened(m, TextLayout()), TextModel: model, Adapter: adapter}, TextLayout(), p)
}

// WithWords returns the bundle with the words of its items' titles, nil for none. A table may lag behind the vocabulary, not the
// other way round.
func (b *Bundle) WithWords(t *words.Table) (*Bundle, error) {
	if t != nil && t.Len() > b.Vocab.Len() {
		return nil, fmt.Errorf("build bundle: title words of %d items for a vocabulary of %d", t.Len(), b.Vocab.Len())
	}
	with := *b
	with.Words = t
	return &with, nil
}

// TextKey names what histories are read with: equal for bundles of one model and equal adapters, which most of a trainer's
// are, empty for a bundle that reads no text. What was read under a key stays right for every bundle that has it.
func (b *Bundle) TextKey() string { return b.textKey }

// keyOf makes the text key of a model and its adapter.
func keyOf(model string, adapter *lora.Adapter) (string, error) {
	if model == "" || adapter == nil {
		return model, nil
	}
	bin, err := adapter.Encode()
	if err != nil {
		return "", fmt.Errorf("build bundle: encode the adapter: %w", err)
	}
	sum := sha256.Sum256(bin)
	return model + "/" + hex.EncodeToString(sum[:8]), nil
}

// ReadsText reports whether a Request's Text has a say. Only the language model called TextModel may write it, tuned by
// Adapter.
func (b *Bundle) ReadsText() bool { return b.TextModel != "" }

// width is the number of item columns.
func (b *Bundle) width() int {
	if b.ReadsText() {
		return textItemColumns
	}
	return itemColumns
}

// contextOf is the part of the context that b's mixer reads.
func (s *scratch) contextOf(b *Bundle) []float32 {
	if b.ReadsText() {
		return s.context[:]
	}
	return s.context[:contextColumns]
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
	if b.index != nil {
		bin, err := b.index.MarshalBinary()
		put(FileNearest, bin, err)
	}
	if b.Words != nil {
		bin, err := b.Words.MarshalBinary()
		put(FileWords, bin, err)
	}
	if b.ReadsText() {
		doc, err := json.Marshal(textFile{Model: b.TextModel})
		put(FileText, doc, err)
	}
	if b.Adapter != nil {
		bin, err := b.Adapter.Encode()
		put(FileAdapter, bin, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return files, nil
}

// Decode reads what Encode wrote. Files it does not know are left alone; a missing or damaged one is an error that
// names it.
func Decode(files map[string][]byte) (*Bundle, error) { return DecodeAt(files, nil) }

// DecodeAt is Decode at the pace of p, nil for as fast as it can: the same bundle, later. What it does in one go is the mixing model, some
// hundred kilobytes, the check of an index of the item table, and making one that a snapshot lacks though its network is large.
func DecodeAt(files map[string][]byte, p *pace.Pacer) (*Bundle, error) {
	for _, name := range []string{FileVocab, FileCounts, FileMixer} {
		if _, ok := files[name]; !ok {
			return nil, fmt.Errorf("decode bundle: file %s is missing", name)
		}
	}
	v, c := vocab.New(), &counts.Counts{}
	if err := v.Decode(files[FileVocab], p); err != nil {
		return nil, fmt.Errorf("decode bundle: %s: %w", FileVocab, err)
	}
	if err := c.Decode(files[FileCounts], p); err != nil {
		return nil, fmt.Errorf("decode bundle: %s: %w", FileCounts, err)
	}
	m, err := mixer.Decode(files[FileMixer])
	if err != nil {
		return nil, fmt.Errorf("decode bundle: %s: %w", FileMixer, err)
	}
	var seq *sequence.Weights
	if bin, ok := files[FileSequence]; ok {
		if seq, err = sequence.DecodeAt(bin, p); err != nil {
			return nil, fmt.Errorf("decode bundle: %s: %w", FileSequence, err)
		}
	}
	if bin, ok := files[FileNearest]; ok && seq != nil {
		x, err := nearest.DecodeAt(bin, p)
		if err == nil {
			err = seq.UseNear(x)
		}
		if err != nil {
			return nil, fmt.Errorf("decode bundle: %s: %w", FileNearest, err)
		}
	}
	var titles *words.Table
	if bin, ok := files[FileWords]; ok {
		titles = &words.Table{}
		if err := titles.Decode(bin, p); err != nil {
			return nil, fmt.Errorf("decode bundle: %s: %w", FileWords, err)
		}
	}
	b, err := join(files, v, c, seq, m, p)
	if err != nil {
		return nil, err
	}
	return b.WithWords(titles)
}

// join puts decoded parts together, with the language model that files name, if they name one.
func join(files map[string][]byte, v *vocab.Vocab, c *counts.Counts, seq *sequence.Weights, m *mixer.Mixer, p *pace.Pacer) (*Bundle, error) {
	if _, ok := files[FileText]; !ok {
		return plain(v, c, seq, m, p)
	}
	model, adapter, err := decodeText(files)
	if err != nil {
		return nil, err
	}
	return reading(v, c, seq, model, adapter, m, p)
}

// textFile is the JSON form of what a bundle says about its language model.
type textFile struct {
	Model string `json:"model"`
}

func decodeText(files map[string][]byte) (model string, adapter *lora.Adapter, err error) {
	var t textFile
	if err := json.Unmarshal(files[FileText], &t); err != nil {
		return "", nil, fmt.Errorf("decode bundle: %s: %w", FileText, err)
	}
	if t.Model == "" {
		return "", nil, fmt.Errorf("decode bundle: %s names no language model", FileText)
	}
	if bin, ok := files[FileAdapter]; ok {
		if adapter, err = lora.Decode(bin); err != nil {
			return "", nil, fmt.Errorf("decode bundle: %s: %w", FileAdapter, err)
		}
	}
	return t.Model, adapter, nil
}
