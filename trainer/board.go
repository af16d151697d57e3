package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// keptRounds is how many rounds stay in Redis for the page; the topic of rounds keeps them all.
const keptRounds = 500

// Publisher sends records to a topic and returns after the broker has them.
type Publisher interface {
	Publish(ctx context.Context, topic string, recs ...broker.Record) error
}

// board makes rounds and scores visible: rounds on their topic and in Redis, the prequential record in Redis.
type board struct {
	pub   Publisher
	topic string // of the rounds
	rdb   redis.UniversalClient
	keys  schema.Keys
}

// round records one round. Its number is the key everywhere, so recording it again after a crash changes nothing.
func (b board) round(ctx context.Context, r schema.Round) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode round %d: %w", r.Round, err)
	}
	id := strconv.Itoa(r.Round)
	if err := b.pub.Publish(ctx, b.topic, broker.Record{Key: []byte(id), Value: doc}); err != nil {
		return fmt.Errorf("publish round %d: %w", r.Round, err)
	}
	_, err = b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, b.keys.Rounds(), id, doc)
		if r.Round >= keptRounds {
			p.HDel(ctx, b.keys.Rounds(), strconv.Itoa(r.Round-keptRounds))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store round %d: %w", r.Round, err)
	}
	return nil
}

// read returns the record of a round, false where Redis has none that can be understood.
func (b board) read(ctx context.Context, round int) (schema.Round, bool, error) {
	doc, err := b.rdb.HGet(ctx, b.keys.Rounds(), strconv.Itoa(round)).Bytes()
	if errors.Is(err, redis.Nil) {
		return schema.Round{}, false, nil
	}
	if err != nil {
		return schema.Round{}, false, fmt.Errorf("read round %d: %w", round, err)
	}
	var r schema.Round
	if json.Unmarshal(doc, &r) != nil {
		return schema.Round{}, false, nil
	}
	return r, true, nil
}

// prequential stores the newest running scores.
func (b board) prequential(ctx context.Context, p schema.Prequential) error {
	doc, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode prequential record: %w", err)
	}
	if err := b.rdb.Set(ctx, b.keys.Prequential(), doc, 0).Err(); err != nil {
		return fmt.Errorf("store prequential record: %w", err)
	}
	return nil
}
