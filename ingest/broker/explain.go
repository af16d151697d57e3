package broker

import (
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/link"
)

// explain adds what to look at to the refusals of a broker that settings are to blame for. Faults of TLS explain themselves, and
// those of the store behind Lives and Progress are not the broker's.
func (c Config) explain(err error) error {
	var done *link.Fault
	if err == nil || errors.As(err, &done) || fromLedger(err) {
		return err
	}
	hint := c.hint(err)
	if hint == "" {
		return err
	}
	return &link.Fault{Link: linkName, Err: err, Hint: hint}
}

// linkName is the section of these settings.
const linkName = "kafka"

func (c Config) hint(err error) string {
	who, refusal := "softrec, which does not log in,", "wants a login (kafka.sasl.mechanism)"
	if c.SASL.enabled() {
		who = fmt.Sprintf("user %q", c.SASL.Username)
		refusal = "refused the login of " + who
	}
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return fmt.Sprintf("the broker refused the login of user %q: check kafka.sasl.username, its password, and that the user exists for %s", c.SASL.Username, c.SASL.Mechanism)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return fmt.Sprintf("the broker does not offer %q: see kafka.sasl.mechanism and the broker's sasl.enabled.mechanisms", c.SASL.Mechanism)
	case errors.Is(err, kafka.IllegalSASLState):
		return "this listener takes no login: use one with SASL, or leave kafka.sasl.mechanism empty"
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		return who + " may not do this with the topic: an ACL for it is missing (docs/operations.md lists those it needs)"
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		return who + " may not read in this consumer group: an ACL for it is missing (docs/operations.md lists those it needs)"
	case errors.Is(err, kafka.ClusterAuthorizationFailed):
		return who + " may not do this in the cluster: an ACL for it is missing (docs/operations.md lists those it needs)"
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		return "there is no such topic yet, or " + who + " may not see it"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the broker closed the connection: it is going down, or it " + refusal
	}
	return ""
}
