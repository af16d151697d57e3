package ingestion

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config/sandbox"
	"github.com/softrec/softrec/cmd/softrec/process"
	"github.com/softrec/softrec/ingest/broker"
)

// joinWithin is how long processes may take to share the partitions, stopWithin how long to end.
const (
	joinWithin = time.Minute
	stopWithin = 20 * time.Second
)

// shared is the rate of n ingest processes that share one topic. They join while it is empty and are held still while it is
// filled; the time counts from when they go on to when everything is committed, so applied.
func (s *site) shared(ctx context.Context, o Options, n int) (events float64, err error) {
	cfg := s.cfg
	s.left.Add(sandbox.Names(&cfg, s.name("processes")))
	s.prefixes = append(s.prefixes, cfg.Redis.Prefix)
	topic, group := cfg.Ingest.Topic, cfg.Ingest.Group
	if err := broker.EnsureTopics(ctx, cfg.Kafka, broker.TopicSpec{Name: topic, Partitions: cfg.Ingest.Partitions}); err != nil {
		return 0, err
	}
	env, err := sandbox.Environ(cfg)
	if err != nil {
		return 0, err
	}
	var children []*process.Child
	defer func() {
		for _, c := range children {
			err = errors.Join(err, c.Stop(stopWithin))
		}
		err = errors.Join(err, s.wipe(context.WithoutCancel(ctx)))
	}()
	for i := range n {
		c, err := process.Start(fmt.Sprintf("ingest process %d", i+1), command(o, env, i), nil)
		if err != nil {
			return 0, err
		}
		children = append(children, c)
	}
	if err := s.joined(ctx, children, group, topic); err != nil {
		return 0, err
	}
	for _, c := range children {
		if err := c.Pause(); err != nil {
			return 0, err
		}
	}
	if err := s.fill(ctx, topic, o.Events, o.Seed); err != nil {
		return 0, err
	}
	start := time.Now()
	for _, c := range children {
		if err := c.Continue(); err != nil {
			return 0, err
		}
	}
	err = s.until(ctx, children, func() (bool, error) {
		lag, err := broker.Lag(ctx, s.cfg.Kafka, group, topic)
		var sum int64
		for _, n := range lag {
			sum += n
		}
		return sum == 0, err
	})
	return rate(o.Events, time.Since(start)), err
}

// command is one ingest process. All settings of the run reach it by env.
func command(o Options, env []string, i int) *exec.Cmd {
	args := append(append([]string(nil), o.Self[1:]...), "ingest", "--ingest-instance", "ingest-"+strconv.Itoa(i+1), "--log-level", "warn",
		// They are held still for as long as filling takes, and must not be taken for dead.
		"--kafka-session-timeout", "2m", "--kafka-request-timeout", "2m")
	cmd := exec.Command(o.Self[0], args...) // #nosec G204 -- the command is the program itself or the one that the operator names
	cmd.Env = env
	return cmd
}

// joined waits until every child has a part of the partitions, as even as they can be shared.
func (s *site) joined(ctx context.Context, children []*process.Child, group, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	return s.until(ctx, children, func() (bool, error) {
		members, err := broker.Members(ctx, s.cfg.Kafka, group, topic)
		if err != nil || len(members) != len(children) {
			return false, nil // the group's coordinator is found while the first one joins
		}
		for _, parts := range members {
			if len(parts) < s.cfg.Ingest.Partitions/len(children) {
				return false, nil
			}
		}
		return true, nil
	})
}

// until asks every few milliseconds while the children live.
func (s *site) until(ctx context.Context, children []*process.Child, ok func() (bool, error)) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if done, err := ok(); done || err != nil {
			return err
		}
		for _, c := range children {
			if !c.Alive() {
				return c.Fault()
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("ingest processes: %w", ctx.Err())
		}
	}
}
