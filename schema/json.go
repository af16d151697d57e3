package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decodeObject reads exactly one JSON object into v and turns every fault into a *FieldError. Texts must be valid
// Unicode: encoding/json puts U+FFFD for what is not, and two different ids would become one.
func decodeObject(what string, b []byte, v any) error {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return fieldError(what, string(b), "is not a JSON object")
	}
	if err := CheckJSONText(what, b); err != nil {
		return err
	}
	err := json.Unmarshal(b, v)
	var typ *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &typ):
		return typeError(b, typ)
	default:
		return fieldError(what, string(b), "is not valid JSON: %v", err)
	}
}

// CheckJSONText returns a *FieldError when a text in the JSON object b is not valid Unicode. It names the field, or what
// when that cannot be told. Whoever decodes such an object without package schema asks this first.
func CheckJSONText(what string, b []byte) error {
	if fault := textFault(string(b)); fault != "" {
		return locateTextFault(what, b, fault)
	}
	return nil
}

// textFault says what is not Unicode in the JSON text s, or nothing.
func textFault(s string) string {
	if i := invalidUTF8(s); i >= 0 {
		return "is not valid UTF-8 at byte " + strconv.Itoa(i)
	}
	if i := loneSurrogate(s); i >= 0 {
		return "holds half a surrogate pair at byte " + strconv.Itoa(i)
	}
	return ""
}

// loneSurrogate returns where a \u escape of JSON names half of a pair without its other half, -1 when nowhere.
func loneSurrogate(s string) int {
	for i := 0; ; {
		next := strings.IndexByte(s[i:], '\\')
		if next < 0 {
			return -1
		}
		i += next
		switch unit := escapedUnit(s[i:]); {
		case unit < 0:
			i += 2 // \n, \\ and the like; a broken escape is for the parser to refuse
		case unit >= 0xD800 && unit < 0xDC00:
			if low := escapedUnit(s[i+6:]); low < 0xDC00 || low >= 0xE000 {
				return i
			}
			i += 12
		case unit >= 0xDC00 && unit < 0xE000:
			return i
		default:
			i += 6
		}
		if i >= len(s) {
			return -1
		}
	}
}

// escapedUnit returns the UTF-16 unit of the escape \uXXXX at the start of s, -1 when s starts with none.
func escapedUnit(s string) int64 {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(s[2:6], 16, 32)
	if err != nil {
		return -1
	}
	return int64(unit)
}

// locateTextFault names the field a text fault stands in, as far as the document can be taken apart.
func locateTextFault(what string, b []byte, fault string) error {
	fields := rawFields(b)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := unquoted(fields[name])
		if fault := textFault(value); fault != "" {
			return fieldError(name, value, "%s", fault)
		}
	}
	return fieldError(what, string(b), "%s", fault)
}

// typeError names the field and shows what stood there; encoding/json tells only its kind.
func typeError(b []byte, typ *json.UnmarshalTypeError) error {
	value := typ.Value
	top, _, _ := strings.Cut(typ.Field, ".")
	if raw, ok := rawFields(b)[top]; ok {
		value = unquoted(raw)
	}
	want := wantedKind(typ.Type)
	if want == "number" && strings.HasPrefix(typ.Value, "number") {
		return fieldError(typ.Field, value, "does not fit into %s", typ.Type)
	}
	return fieldError(typ.Field, value, "has the wrong JSON type, want %s", want)
}

// wantedKind is what JSON calls the values of a Go type.
func wantedKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	default:
		return "number"
	}
}

// rawFields takes an object apart; a broken one has no fields.
func rawFields(b []byte) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return nil
	}
	return fields
}

// unquoted shows a JSON text as it was written, without its quotes.
func unquoted(raw json.RawMessage) string {
	s := string(raw)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
