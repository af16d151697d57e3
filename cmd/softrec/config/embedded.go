package config

// Filled returns c with addresses where the embedded servers' will stand, so that the parts can be validated before
// those servers run.
func (c Config) Filled() any {
	if len(c.Kafka.Brokers) == 0 {
		c.Kafka.Brokers = []string{"127.0.0.1:1"}
	}
	return c
}

// EmbeddedKafka reports whether softrec must run the Kafka broker itself.
func (c Config) EmbeddedKafka() bool { return len(c.Kafka.Brokers) == 0 }

// EmbeddedRedis reports whether softrec must run Redis itself.
func (c Config) EmbeddedRedis() bool { return c.Redis.embedded() }
