package schema

import (
	"time"
	"unicode/utf8"
)

// Limits of the version-1 documents. They are part of the contract: raising one is a compatible change, lowering one
// is not.
const (
	MaxIDLen        = 128             // bytes of a user, item, event, session or recommendation id
	MaxTypeLen      = 64              // bytes of an interaction type
	MaxTitleLen     = 1024            // bytes of an item's title
	MaxCategories   = 64              // categories of one item
	MaxAttributes   = 128             // attributes of one item
	MaxEventBytes   = 16 << 10        // bytes of one encoded event
	MaxItemBytes    = 64 << 10        // bytes of one encoded item
	MaxBodyBytes    = 4 << 20         // bytes of one HTTP request body
	MaxBatchEvents  = 10_000          // events in one HTTP request body
	MaxAnswerItems  = 1_000           // items one answer may hold
	MaxSessionItems = 1_000           // items one session request may name
	MaxWindowLen    = 10_000          // interactions a window may be configured to keep
	maxUnixMilli    = 253402300799999 // the last timestamp accepted, in Unix milliseconds: RFC 3339 ends with the year 9999
	secondsBelow    = 100_000_000_000 // a bare number below this is Unix seconds, from here on milliseconds
)

// DefaultMaxFuture is how far an event's timestamp may lie ahead of the clock of whoever checks it.
const DefaultMaxFuture = 5 * time.Minute

// checkID reports whether s can name something: 1 to MaxIDLen bytes of UTF-8 without control characters.
func checkID(field, s string) error {
	if s == "" {
		return fieldError(field, s, "is required")
	}
	return checkText(field, s, MaxIDLen)
}

// checkText reports whether s is at most max bytes of UTF-8 without control characters; the empty text passes.
func checkText(field, s string, max int) error {
	if len(s) > max {
		return fieldError(field, s, "is %d bytes long, at most %d are allowed", len(s), max)
	}
	if err := checkUnicode(field, s); err != nil {
		return err
	}
	for i, r := range s {
		if r < 0x20 || r == 0x7f {
			return fieldError(field, s, "holds the control character %U at byte %d", r, i)
		}
	}
	return nil
}

// checkUnicode reports whether s is valid UTF-8; any character may stand in it.
func checkUnicode(field, s string) error {
	if i := invalidUTF8(s); i >= 0 {
		return fieldError(field, s, "is not valid UTF-8 at byte %d", i)
	}
	return nil
}

// invalidUTF8 returns the first byte of s that is not valid UTF-8, -1 when there is none.
func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// CheckUserID reports whether id can name a user.
func CheckUserID(id string) error { return checkID("user_id", id) }

// CheckItemID reports whether id can name an item.
func CheckItemID(id string) error { return checkID("item_id", id) }
