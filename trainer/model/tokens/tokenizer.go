package tokens

import "strings"

// Tokenizer turns texts into ids and back, as Hugging Face's tokenizers library does with the same file.
type Tokenizer struct {
	before  matcher    // added tokens looked for in the text as it came
	norm    normalizer // nil: the text stays
	after   matcher    // added tokens looked for in the normalised text
	split   splitter   // nil: one piece
	model   model
	decode  decoder
	tokens  []string // by id; "" where no token has the id
	skip    map[int32]bool
	special Special

	first     string // the special token that a template has before texts, "" for none
	templated bool
}

// Special holds the ids of the special tokens; -1 marks one that the model has not.
type Special struct {
	BOS, EOS, PAD, CLS, SEP, UNK int32

	AddBOS bool // texts begin with BOS, as the post-processor says or, where there is none, add_bos_token; Encode adds it not
}

// Begin is what stands before a text: BOS where the model's texts begin with one.
func (s Special) Begin() []int32 {
	if s.AddBOS && s.BOS >= 0 {
		return []int32{s.BOS}
	}
	return nil
}

// model turns one piece of text into ids.
type model interface {
	encode(out []int32, piece string) []int32
}

// Encode gives the ids of a text, without special tokens around it. A special token spelled out in the text is recognised, as the
// reference library does; bytes that are not UTF-8 count as U+FFFD.
func (t *Tokenizer) Encode(text string) []int32 { return t.encode(text, false) }

// EncodePlain is Encode for texts of strangers: a special token spelled out in the text is text like any other, so that a title
// cannot end a prompt. It is the reference library's encode_special_tokens.
func (t *Tokenizer) EncodePlain(text string) []int32 { return t.encode(text, true) }

func (t *Tokenizer) encode(text string, plain bool) []int32 {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var out []int32
	t.before.cut(text, plain, func(s span) {
		if s.id >= 0 {
			out = append(out, s.id)
			return
		}
		rest := text[s.from:s.to]
		if t.norm != nil {
			rest = t.norm(rest)
		}
		t.after.cut(rest, plain, func(n span) {
			if n.id >= 0 {
				out = append(out, n.id)
				return
			}
			out = t.pieces(out, piece{text: rest[n.from:n.to], first: s.from == 0 && n.from == 0})
		})
	})
	return out
}

// pieces splits a text without added tokens and encodes what comes out.
func (t *Tokenizer) pieces(out []int32, p piece) []int32 {
	if t.split == nil {
		return t.model.encode(out, p.text)
	}
	for _, p := range t.split(nil, p) {
		out = t.model.encode(out, p.text)
	}
	return out
}

// Decode gives the text of ids. Special tokens and ids the tokenizer does not have are skipped.
func (t *Tokenizer) Decode(ids []int32) string {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		if id < 0 || int(id) >= len(t.tokens) || t.skip[id] || t.tokens[id] == "" {
			continue
		}
		words = append(words, t.tokens[id])
	}
	return strings.Join(t.decode(words), "")
}

// Special returns the ids of the special tokens.
func (t *Tokenizer) Special() Special { return t.special }

// Len returns the largest id plus one, added tokens included.
func (t *Tokenizer) Len() int { return len(t.tokens) }

// Token returns the spelling of an id as it stands in the file; "" for an id the tokenizer does not have.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return ""
	}
	return t.tokens[id]
}
