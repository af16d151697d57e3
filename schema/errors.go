package schema

import (
	"fmt"
	"unicode/utf8"
)

// maxShownValue bounds how much of a bad value an error repeats, in bytes.
const maxShownValue = 64

// FieldError says which field of a document is wrong, what stood there and what was wanted.
type FieldError struct {
	Field  string // JSON name of the field, for example "user_id"
	Value  string // the offending value, shortened to 64 bytes
	Reason string // what is wrong, for example "is required"
}

// Error reads `user_id "": is required`.
func (e *FieldError) Error() string {
	return fmt.Sprintf("%s %q: %s", e.Field, e.Value, e.Reason)
}

// fieldError builds a *FieldError, shortening a long value at a rune border.
func fieldError(field, value, reason string, args ...any) error {
	if len(value) > maxShownValue {
		cut := maxShownValue
		for cut > 0 && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut] + "…"
	}
	return &FieldError{Field: field, Value: value, Reason: fmt.Sprintf(reason, args...)}
}
