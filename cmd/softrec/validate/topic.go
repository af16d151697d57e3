package validate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// Source is what Topic reads: the partitions of a topic, and how far they go.
type Source interface {
	Fetch(ctx context.Context, max int, wait time.Duration) ([]broker.Record, error)
	Ends(ctx context.Context) (map[int]int64, error)
}

// batch and wait bound one fetch; idle is how long nothing may come although the ends are not reached: a topic of which
// the last records are control markers of a transaction ends before its offsets do.
const (
	batch = 2000
	wait  = 200 * time.Millisecond
	idle  = 3 * time.Second
)

// Topic yields the records that stand on a topic now. limit bounds them, 0 reads all. Tombstones, which forget a user, are
// passed over.
func Topic(ctx context.Context, src Source, limit int) Rows {
	return func(yield func(Row, error) bool) {
		ends, err := src.Ends(ctx)
		if err != nil {
			yield(Row{}, fmt.Errorf("ask for the ends of the topic: %w", err))
			return
		}
		for p, end := range ends {
			if end == 0 {
				delete(ends, p)
			}
		}
		for n := 0; len(ends) > 0; {
			recs, err := next(ctx, src)
			if err != nil {
				yield(Row{}, fmt.Errorf("read the topic: %w", err))
				return
			}
			if len(recs) == 0 {
				return
			}
			for _, r := range recs {
				end, open := ends[r.Partition]
				if open && r.Offset+1 >= end {
					delete(ends, r.Partition)
				}
				if !open || r.Value == nil { // written since, or a user forgotten
					continue
				}
				if n++; !yield(rowOf(r), nil) || limit > 0 && n >= limit {
					return
				}
			}
		}
	}
}

// next returns the next records, none when nothing came for a while.
func next(ctx context.Context, src Source) ([]broker.Record, error) {
	patient, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	recs, err := src.Fetch(patient, batch, wait)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil
	}
	return recs, err
}

func rowOf(r broker.Record) Row {
	row := Row{Where: fmt.Sprintf("partition %d offset %d", r.Partition, r.Offset), Keyed: r.Key != nil, Key: string(r.Key)}
	row.Event, row.Err = schema.DecodeEvent(r.Value)
	var field *schema.FieldError
	if errors.As(row.Err, &field) {
		row.Field = field.Field
	}
	return row
}
