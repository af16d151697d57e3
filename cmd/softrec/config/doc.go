// Package config puts softrec's configuration together: it composes the Config structs of the parts into one, and
// loads it in layers, each over the one before: built-in defaults, a YAML file, SOFTREC_* environment variables, flags.
//
// The key of a setting is the path of its koanf tags ("kafka.session_timeout"); the flag (--kafka-session-timeout) and
// the variable (SOFTREC_KAFKA_SESSION_TIMEOUT) follow from it, so that a setting is declared once, in the package that
// uses it. Loading is strict: an unknown key or variable, a value of the wrong kind and a value its owner refuses are
// faults, and all of them are reported at once, each with its key, its value and where it came from.
//
// Secrets are values of type Secret. They never show in an error, a log line or a printed configuration.
//
// The package keeps no state and starts no goroutine.
package config
