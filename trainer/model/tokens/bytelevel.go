package tokens

import "strings"

// gpt2 is the pattern of GPT-2, which the byte-level pre-tokeniser uses unless told not to.
const gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// visible gives each byte a printable character (Radford et al. 2019): printable bytes stand for themselves, the others for the
// characters from U+0100 on, so that a vocabulary of texts can hold any bytes.
func visible() (to [256]rune, from map[rune]byte) {
	from = make(map[rune]byte, 256)
	next := rune(0x100)
	for b := range to {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE) {
			r = next
			next++
		}
		to[b] = r
		from[r] = byte(b)
	}
	return to, from
}

// byteLevel is the pre-tokeniser of byte-level BPE.
func (raw rawSplitter) byteLevel() (splitter, error) {
	to, _ := visible()
	prefix := raw.AddPrefixSpace == nil || *raw.AddPrefixSpace
	var words *pattern
	if raw.UseRegex == nil || *raw.UseRegex {
		var err error
		if words, err = compile(gpt2); err != nil {
			return nil, err
		}
	}
	show := func(s string) string {
		var b strings.Builder
		b.Grow(len(s) + len(s)/4)
		for i := range len(s) {
			b.WriteRune(to[s[i]])
		}
		return b.String()
	}
	return func(out []piece, p piece) []piece {
		if prefix && !strings.HasPrefix(p.text, " ") {
			p.text = " " + p.text
		}
		if words == nil {
			return append(out, piece{show(p.text), p.first})
		}
		from := len(out)
		out = isolated.apply(out, p, false, func(visit func(from, to int)) { words.find(p.text, visit) })
		for i := range out[from:] {
			out[from+i].text = show(out[from+i].text)
		}
		return out
	}, nil
}
