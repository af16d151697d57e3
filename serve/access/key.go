package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Key is what the file keeps of an API key. The key itself is shown once, by NewKey, and is nowhere afterwards.
type Key struct {
	ID      string    `json:"id"`     // 16 hexadecimal digits, part of the key's text
	Name    string    `json:"name"`   // who holds it; two keys may share a name, as during a rotation
	Scopes  []Scope   `json:"scopes"` // what it may do
	SHA256  string    `json:"sha256"` // hexadecimal sum of the key's whole text
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never

	Rate         float64 `json:"rate,omitempty"`           // requests a second; 0: the server's access.rate, below 0: no limit
	Burst        int     `json:"burst,omitempty"`          // requests at once; 0: the server's access.burst
	MaxBodyBytes int64   `json:"max_body_bytes,omitempty"` // largest request body; 0: the server's max_body_bytes
}

// prefix starts every key, so that scanners of repositories and logs can find one that slipped out.
const prefix = "softrec_"

const (
	idBytes     = 8
	secretBytes = 32
	idLen       = 2 * idBytes
	secretLen   = 43 // base64 of secretBytes without padding
	keyLen      = len(prefix) + idLen + 1 + secretLen
)

// NewKey makes a key out of random bits and returns its text, which is kept nowhere. The remaining fields of k are the
// caller's; it is an error when they are not valid.
func NewKey(k Key, now time.Time) (Key, string, error) {
	var bits [idBytes + secretBytes]byte
	_, _ = rand.Read(bits[:]) // never fails: it ends the process when there is no randomness
	k.ID = hex.EncodeToString(bits[:idBytes])
	text := prefix + k.ID + "_" + base64.RawURLEncoding.EncodeToString(bits[idBytes:])
	sum := sha256.Sum256([]byte(text))
	k.SHA256, k.Created = hex.EncodeToString(sum[:]), now.UTC().Truncate(time.Second)
	return k, text, k.check()
}

// idOf returns the id in a key's text; false when the text cannot be a key.
func idOf(text string) (id string, ok bool) {
	if len(text) != keyLen || !strings.HasPrefix(text, prefix) || text[len(prefix)+idLen] != '_' {
		return "", false
	}
	return text[len(prefix) : len(prefix)+idLen], true
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{16}$`)
	sumForm  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check reports every fault of a key, each naming field and value. Sums are not repeated.
func (k Key) check() error {
	var errs []error
	if !idForm.MatchString(k.ID) {
		errs = append(errs, fmt.Errorf("id %.40q: want 16 hexadecimal digits", k.ID))
	}
	if !nameForm.MatchString(k.Name) {
		errs = append(errs, fmt.Errorf("name %.80q: want 1 to 64 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit", k.Name))
	}
	if k.Name == Anonymous || k.Name == Unknown {
		errs = append(errs, fmt.Errorf("name %q: stands for requests without a valid key, choose another", k.Name))
	}
	if !sumForm.MatchString(k.SHA256) {
		errs = append(errs, errors.New("sha256: want 64 hexadecimal digits"))
	}
	for _, s := range k.Scopes {
		if !slices.Contains(Scopes(), s) {
			errs = append(errs, fmt.Errorf("scopes %.40q: want some of read, write, admin", s))
		}
	}
	if len(k.Scopes) == 0 {
		errs = append(errs, errors.New("scopes: want at least one of read, write, admin"))
	}
	if k.Rate != k.Rate || k.Rate > maxRate {
		errs = append(errs, fmt.Errorf("rate %g: want at most %g", k.Rate, float64(maxRate)))
	}
	if k.Burst < 0 || k.Burst > maxBurst {
		errs = append(errs, fmt.Errorf("burst %d: want 0 to %d", k.Burst, maxBurst))
	}
	if k.MaxBodyBytes < 0 {
		errs = append(errs, fmt.Errorf("max_body_bytes %d: want at least 0", k.MaxBodyBytes))
	}
	return errors.Join(errs...)
}

// expired reports whether the key's time is over.
func (k Key) expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// sum is a key's SHA-256.
type sum [sha256.Size]byte

// decodeSum reads a checked SHA256.
func decodeSum(text string) (s sum) {
	_, _ = hex.Decode(s[:], []byte(text)) // check looked at every digit
	return s
}

// is compares the sum of a text of a key's length in constant time.
func (s sum) is(text string) bool {
	var b [keyLen]byte // does not leave the stack
	have := sha256.Sum256(b[:copy(b[:], text)])
	return subtle.ConstantTimeCompare(s[:], have[:]) == 1
}
