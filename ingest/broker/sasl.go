package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/softrec/softrec/ingest/link"
)

// SASL says how softrec logs in to Kafka. Without a mechanism it does not.
type SASL struct {
	Mechanism    string      `koanf:"mechanism" help:"how to log in: scram-sha-256, scram-sha-512 or plain; empty means not at all"`
	Username     string      `koanf:"username" help:"user that softrec logs in to Kafka as"`
	Password     link.Secret `koanf:"password" help:"password of that user; better kept in password_file or in the variable SOFTREC_KAFKA_SASL_PASSWORD than on a command line"`
	PasswordFile string      `koanf:"password_file" help:"file that holds the password, read anew for each connection"`
}

// The mechanisms as users write them.
const (
	mechanismPlain  = "plain"
	mechanismSHA256 = "scram-sha-256"
	mechanismSHA512 = "scram-sha-512"
)

// enabled reports whether softrec logs in at all.
func (s SASL) enabled() bool { return s.Mechanism != "" }

// Validate reports every fault of s, joined, each naming its field and value. It reads the file.
func (s SASL) Validate() error {
	var errs []error
	bad := func(field, value, want string) {
		errs = append(errs, fmt.Errorf("broker.sasl.%s %q: %s", field, value, want))
	}
	if !s.enabled() {
		if s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			bad("mechanism", s.Mechanism, "want scram-sha-256, scram-sha-512 or plain beside a user or password")
		}
		return errors.Join(errs...)
	}
	switch s.Mechanism {
	case mechanismPlain, mechanismSHA256, mechanismSHA512:
	default:
		bad("mechanism", s.Mechanism, "want scram-sha-256, scram-sha-512, plain or nothing")
	}
	if s.Username == "" {
		bad("username", "", "want the name of a user")
	}
	if s.Password == "" && s.PasswordFile == "" {
		bad("password_file", "", "want a file with the password, or the password in broker.sasl.password")
	}
	errs = append(errs, link.CheckSecret("broker.sasl.password_file", s.Password, s.PasswordFile))
	return errors.Join(errs...)
}

// login is what kafka-go asks for on each new connection.
type login struct{ SASL }

// mechanism is nil when softrec does not log in.
func (s SASL) mechanism() sasl.Mechanism {
	if !s.enabled() {
		return nil
	}
	return login{s}
}

// Name implements sasl.Mechanism.
func (l login) Name() string {
	switch l.Mechanism {
	case mechanismSHA256:
		return scram.SHA256.Name()
	case mechanismSHA512:
		return scram.SHA512.Name()
	default:
		return plain.Mechanism{}.Name()
	}
}

// Start implements sasl.Mechanism with the password of this moment.
func (l login) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := link.ReadSecret(l.Password, l.PasswordFile)
	if err != nil {
		return nil, nil, fmt.Errorf("kafka.sasl.password_file %q: %w", l.PasswordFile, err)
	}
	var m sasl.Mechanism
	switch l.Mechanism {
	case mechanismSHA256:
		m, err = scram.Mechanism(scram.SHA256, l.Username, password.Reveal())
	case mechanismSHA512:
		m, err = scram.Mechanism(scram.SHA512, l.Username, password.Reveal())
	default:
		m = plain.Mechanism{Username: l.Username, Password: password.Reveal()}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("kafka.sasl.password: cannot be used for SCRAM: %w", err)
	}
	return m.Start(ctx)
}

var _ sasl.Mechanism = login{}
