package tokens

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// byteLevelDecoder turns visible bytes back. A token with any other character, an added one, stands for its own bytes.
func byteLevelDecoder() decoder {
	_, from := visible()
	return func(words []string) []string {
		var all []byte
		for _, s := range words {
			start := len(all)
			for _, r := range s {
				b, ok := from[r]
				if !ok {
					all = append(all[:start], s...)
					break
				}
				all = append(all, b)
			}
		}
		return []string{lossy(all)}
	}
}

// byteFallback turns runs of byte tokens such as <0xC3> into text; bytes that are no text become one U+FFFD each.
func byteFallback(words []string) []string {
	var out []string
	var run []byte
	flush := func() {
		switch {
		case len(run) == 0:
		case utf8.Valid(run):
			out = append(out, string(run))
		default:
			for range run {
				out = append(out, "\uFFFD")
			}
		}
		run = run[:0]
	}
	for _, s := range words {
		if b, ok := byteToken(s); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, s)
	}
	flush()
	return out
}

func byteToken(s string) (byte, bool) {
	if len(s) != 6 || !strings.HasPrefix(s, "<0x") || s[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(s[3:5], 16, 8)
	return byte(b), err == nil
}

// lossy replaces each longest beginning of a broken character by one U+FFFD (Unicode 3.9, U+FFFD substitution of maximal subparts).
// Go would give one for each byte.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		out.WriteRune(r)
		if r == utf8.RuneError && n == 1 {
			n = brokenLen(b)
		}
		b = b[n:]
	}
	return out.String()
}

// brokenLen is the length of the longest beginning of b that a character could begin with; at least 1.
func brokenLen(b []byte) int {
	n := 1
	for ; n < 3 && n < len(b); n++ {
		if !begins(b[:n+1]) {
			break
		}
	}
	return n
}

// begins reports whether some character has more bytes than b and begins with them. Only the second byte depends on the first.
func begins(b []byte) bool {
	full := append(append(make([]byte, 0, utf8.UTFMax), b...), 0x80, 0x80)
	for n := len(b) + 1; n <= utf8.UTFMax; n++ {
		if r, size := utf8.DecodeRune(full[:n]); r != utf8.RuneError || size > 1 {
			return size == n
		}
	}
	return false
}
