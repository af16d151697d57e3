// Package schema is the language every part of softrec speaks: the interaction event, the catalogue item, the
// per-user window, the snapshot manifest, the round record and the answer, with their JSON codecs, their limits
// and their checks, and the names under which they are stored in Kafka and Redis.
//
// It owns no state and starts no goroutine. It imports no client library, so every other package may import it.
// It promises that what a decoder returned survives its own codec unchanged, that every rejection of a value is a
// *FieldError naming the field and the value (several are joined), and that version-1 documents (testdata/v1) decode for ever.
// Texts that are not valid Unicode are refused, never repaired: repaired, two users could become one.
package schema
