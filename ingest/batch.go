package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// decoded is a batch of records made ready for the windows.
type decoded struct {
	users   []window.UserBatch // in order of first appearance
	bad     []poison
	events  []decodedEvent // for the page
	forgot  []schema.Deletion
	rekeyed int
}

type decodedEvent struct {
	event     schema.Event
	partition int
	offset    int64
}

// owner is what one script call is for: a user's records of one partition must be applied in one step.
type owner struct {
	user      string
	partition int
}

// decode sorts recs into users, each partition's in the order they came, and poison. It depends on recs and ahead only.
func decode(recs []broker.Record, ahead time.Duration) decoded {
	var d decoded
	d.events = make([]decodedEvent, 0, len(recs))
	at := make(map[owner]int, len(recs))
	add := func(user string, r broker.Record, w window.Record) {
		k := owner{user, r.Partition}
		i, ok := at[k]
		if !ok {
			i = len(d.users)
			at[k] = i
			d.users = append(d.users, window.UserBatch{User: user, Partition: r.Partition})
		}
		d.users[i].Records = append(d.users[i].Records, w)
	}
	for _, r := range recs {
		if len(r.Value) == 0 {
			user := string(r.Key)
			if err := checkTombstone(r.Key, schema.CheckUserID(user)); err != nil {
				d.bad = append(d.bad, poison{r, err})
				continue
			}
			add(user, r, window.Record{Offset: r.Offset, Time: r.Time, Forget: true})
			d.forgot = append(d.forgot, deletionOf(user, r))
			continue
		}
		ev, err := decodeEvent(r, ahead)
		if err != nil {
			d.bad = append(d.bad, poison{r, err})
			continue
		}
		if len(r.Key) > 0 && string(r.Key) != ev.UserID {
			d.rekeyed++
		}
		add(ev.UserID, r, window.Record{Offset: r.Offset, Time: r.Time, Interaction: interaction(ev, r)})
		d.events = append(d.events, decodedEvent{ev, r.Partition, r.Offset})
	}
	return d
}

// decodeEvent checks the future against the record's own time: a replay next year must decide as it did today.
func decodeEvent(r broker.Record, ahead time.Duration) (schema.Event, error) {
	ev, err := schema.DecodeEvent(r.Value)
	if err == nil {
		err = ev.CheckFuture(r.Time, ahead)
	}
	return ev, err
}

func interaction(ev schema.Event, r broker.Record) schema.Interaction {
	return schema.Interaction{
		ItemID: ev.ItemID, Type: ev.Type, Timestamp: ev.Timestamp, Value: ev.Value,
		Partition: r.Partition, Offset: r.Offset, EventID: ev.EventID, SessionID: ev.SessionID,
	}
}

// deletionOf is the receipt of a user's tombstone.
func deletionOf(user string, r broker.Record) schema.Deletion {
	return schema.UserDeletion(user, r.Headers[schema.HeaderDeletion], r.Time, r.Partition, r.Offset)
}

// checkTombstone explains a record without value whose key is not usable.
func checkTombstone(key []byte, err error) error {
	switch {
	case len(key) == 0:
		return errors.New("record without key and value")
	case err != nil:
		return fmt.Errorf("tombstone: key: %w", err)
	}
	return nil
}
