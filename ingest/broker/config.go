package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/link"
)

// Config says how to reach the cluster and how patient to be. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Brokers           []string      `koanf:"brokers" help:"host:port of at least one Kafka broker"`
	ClientID          string        `koanf:"client_id" help:"name shown in the broker's logs and quotas, default softrec"`
	ReplicationFactor int           `koanf:"replication_factor" help:"copies of each partition of a topic softrec creates, -1 = the cluster's default, default -1"`
	Compression       string        `koanf:"compression" help:"codec for what softrec produces: none, gzip, snappy, lz4 or zstd, default snappy"`
	DialTimeout       time.Duration `koanf:"dial_timeout" help:"how long one connection attempt may take, default 5s"`
	RequestTimeout    time.Duration `koanf:"request_timeout" help:"how long one request may take, default 10s"`
	BatchTimeout      time.Duration `koanf:"batch_timeout" help:"how long a produced record waits for company, default 1ms"`
	PublishTimeout    time.Duration `koanf:"publish_timeout" help:"how long a publish is retried before it fails, 0 = until its caller gives up, default 30s"`
	MaxWait           time.Duration `koanf:"max_wait" help:"how long a fetch waits at the broker when nothing is new, default 100ms"`
	QueueCapacity     int           `koanf:"queue_capacity" help:"records read ahead of the caller, over all partitions, default 4000"`
	SessionTimeout    time.Duration `koanf:"session_timeout" help:"silence after which the group gives a member's partitions away, default 8s"`
	HeartbeatInterval time.Duration `koanf:"heartbeat_interval" help:"pause between a member's heartbeats, well below session_timeout, default 1s"`
	RebalanceTimeout  time.Duration `koanf:"rebalance_timeout" help:"how long a rebalance waits for members, default 8s"`
	MetadataInterval  time.Duration `koanf:"metadata_interval" help:"how often to look for new partitions, default 5s"`
	TLS               link.TLS      `koanf:"tls"`
	SASL              SASL          `koanf:"sasl"`
}

// DefaultConfig returns a Config that needs only Brokers.
func DefaultConfig() Config {
	return Config{
		ClientID:          "softrec",
		ReplicationFactor: -1,
		Compression:       "snappy",
		DialTimeout:       5 * time.Second,
		RequestTimeout:    10 * time.Second,
		BatchTimeout:      time.Millisecond,
		PublishTimeout:    30 * time.Second,
		MaxWait:           100 * time.Millisecond,
		QueueCapacity:     4000,
		SessionTimeout:    8 * time.Second,
		HeartbeatInterval: time.Second,
		RebalanceTimeout:  8 * time.Second,
		MetadataInterval:  5 * time.Second,
		TLS:               link.DefaultTLS(),
	}
}

// Validate reports every fault of c, joined, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("broker.%s %v: want %s", field, value, want))
	}
	if len(c.Brokers) == 0 {
		bad("brokers", "[]", "at least one host:port")
	}
	for _, b := range c.Brokers {
		if _, port, err := net.SplitHostPort(b); err != nil || port == "" {
			bad("brokers", fmt.Sprintf("%q", b), "host:port")
		}
	}
	if c.ReplicationFactor < 1 && c.ReplicationFactor != -1 {
		bad("replication_factor", c.ReplicationFactor, "at least 1, or -1 for the cluster's default")
	}
	if _, ok := codecs[c.Compression]; !ok {
		bad("compression", fmt.Sprintf("%q", c.Compression), "none, gzip, snappy, lz4 or zstd")
	}
	for _, d := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"dial_timeout", c.DialTimeout, time.Millisecond},
		{"request_timeout", c.RequestTimeout, time.Millisecond},
		{"batch_timeout", c.BatchTimeout, time.Microsecond},
		{"publish_timeout", c.PublishTimeout, 0},
		{"max_wait", c.MaxWait, time.Millisecond},
		{"session_timeout", c.SessionTimeout, time.Millisecond},
		{"heartbeat_interval", c.HeartbeatInterval, time.Millisecond},
		{"rebalance_timeout", c.RebalanceTimeout, time.Millisecond},
		{"metadata_interval", c.MetadataInterval, time.Millisecond},
	} {
		if d.value < d.least {
			bad(d.field, d.value, "at least "+d.least.String())
		}
	}
	if c.HeartbeatInterval*2 > c.SessionTimeout {
		bad("heartbeat_interval", c.HeartbeatInterval, "at most half of session_timeout "+c.SessionTimeout.String())
	}
	if c.QueueCapacity < 1 {
		bad("queue_capacity", c.QueueCapacity, "at least 1")
	}
	return errors.Join(append(errs, c.TLS.Validate(), c.SASL.Validate())...)
}

// At returns c for brokers without TLS and logins, such as the embedded one.
func (c Config) At(brokers ...string) Config {
	c.Brokers, c.TLS, c.SASL = brokers, link.DefaultTLS(), SASL{}
	return c
}

// codecs maps the names users write to kafka-go's codecs.
var codecs = map[string]kafka.Compression{
	"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

// dialer makes the connections of readers and group members. kafka-go knows two kinds of them; transport makes the other. TLS is below both.
func (c Config) dialer() *kafka.Dialer {
	return &kafka.Dialer{ClientID: c.ClientID, Timeout: c.DialTimeout, DialFunc: c.dial(), SASLMechanism: c.SASL.mechanism()}
}

func (c Config) dial() func(context.Context, string, string) (net.Conn, error) {
	return link.NewDialer(linkName, c.TLS, c.DialTimeout).Expect(foreign).Dial
}

// maxFirst is more than the first answer of any broker has, in bytes. Text read as a size is more: its first byte is at least a tab.
const maxFirst = 8 << 24

// foreign looks at the first bytes of a server's first answer, which in Kafka's protocol are its size. kafka-go believes any size, and
// takes the memory for the lists that it reads of such an answer.
func foreign(first []byte) string {
	if first[0] < maxFirst>>24 {
		return ""
	}
	return "this port does not speak Kafka: see kafka.brokers"
}

// transport makes the connections of requests and writes. The caller ends it with CloseIdleConnections.
func (c Config) transport() *kafka.Transport {
	return &kafka.Transport{
		Dial:        c.dial(),
		SASL:        c.SASL.mechanism(),
		DialTimeout: c.DialTimeout,
		ClientID:    c.ClientID,
		MetadataTTL: min(c.MetadataInterval, 2*time.Second),
	}
}

// client wraps a transport for single requests.
func (c Config) client(t *kafka.Transport) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.Brokers...), Timeout: c.RequestTimeout, Transport: t}
}

// reader is how kafka-go reads one partition.
func (c Config) reader(topic string, partition int, log kafka.Logger) kafka.ReaderConfig {
	return kafka.ReaderConfig{
		Brokers: c.Brokers, Topic: topic, Partition: partition, Dialer: c.dialer(),
		MinBytes: 1, MaxBytes: 4 << 20,
		MaxWait:          c.MaxWait, // kafka-go's default of 10 s would also be the time a stop takes
		QueueCapacity:    min(1000, c.QueueCapacity),
		ReadLagInterval:  -1,
		ReadBackoffMin:   50 * time.Millisecond,
		ErrorLogger:      log,
		ReadBatchTimeout: c.RequestTimeout,
	}
}
