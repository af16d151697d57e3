// Package schema is the language every part of softrec speaks: the interaction event, the catalogue item, the
// per-user window, the snapshot manifest, the round record and the answer, with their JSON codecs, their limits
// and their checks, and the names under which they are stored in Kafka and Redis.
//
// It owns no state and starts no goroutine. It imports no client library, so every other package may import it.
// It promises that a value which passed Validate survives its own codec unchanged, that every rejection is a
// *FieldError naming the field and the value, and that version-1 documents (testdata/v1) decode for ever.
package schema
