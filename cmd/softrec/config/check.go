package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/softrec/softrec/trainer"
)

// Check reports what no softrec that runs all roles can work with, though each setting by itself is fine. It is no part of loading: commands that
// run no role need less.
func (c Config) Check() error { return errors.Join(c.CheckPair(), c.CheckTopics(), c.CheckLearner()) }

// CheckPair refuses a Kafka of one's own with an embedded Redis, or the reverse: committed offsets and windows must be
// lost together or not at all, and the embedded pair is made so.
func (c Config) CheckPair() error {
	switch {
	case c.EmbeddedKafka() && (c.Kafka.TLS.Enabled || c.Kafka.SASL.Mechanism != ""): // somebody forgot the address
		return errors.New("kafka.brokers is empty, but kafka.tls or kafka.sasl is set: the embedded broker has neither; name the brokers they are for")
	case c.EmbeddedKafka() == c.EmbeddedRedis():
		return nil
	case c.EmbeddedRedis():
		return fmt.Errorf("kafka.brokers %q are given but redis.addrs is empty: name both, or neither for the embedded pair", c.Kafka.Brokers)
	default:
		return fmt.Errorf("redis.addrs %q are given but kafka.brokers is empty: name both, or neither for the embedded pair", c.Redis.Where())
	}
}

// CheckTopics refuses impressions or rounds on a topic that holds something else: every record would be set aside.
func (c Config) CheckTopics() error {
	rounds := c.Trainer.RoundsTopic
	taken := []string{c.Ingest.Topic, c.Ingest.ItemsTopic, c.Ingest.DeadLetterTopic}
	var errs []error
	if slices.Contains(taken, rounds) {
		errs = append(errs, fmt.Errorf("trainer.rounds_topic %q: want a topic that has no other use", rounds))
	}
	if t := c.Attribution.Topic; c.Attribution.Enabled && slices.Contains(append(taken, rounds), t) {
		errs = append(errs, fmt.Errorf("attribution.topic %q: want a topic that has no other use", t))
	}
	return errors.Join(errs...)
}

// CheckLearner refuses the text learner without a language model.
func (c Config) CheckLearner() error {
	if c.Trainer.Learner == trainer.LearnerText && c.Text.Model == "" {
		return fmt.Errorf("trainer.learner is %q but text.model is empty: name a Hugging Face folder with --model", trainer.LearnerText)
	}
	return nil
}
