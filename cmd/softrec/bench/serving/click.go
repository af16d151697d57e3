package serving

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/softrec/softrec/schema"
)

// Click is the time from sending an event to an answer that has it in its window.
type Click struct {
	P50    float64 `json:"p50"` // ms
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
	Clicks int     `json:"clicks"`
	Asked  int     `json:"asked"` // answers that were read meanwhile
}

// clicks sends events one by one over the whole road, and after each asks until the answer's window has moved. The users are those from first on.
func (b *lab) clicks(ctx context.Context, first int) (Click, error) {
	c := newClient(b.serve)
	defer c.close()
	times := hdrhistogram.New(1, 60_000_000, 3)
	var out Click
	const unmeasured = 20 // the first ones wake Kafka's consumers
	for n := range b.o.Clicks + unmeasured {
		user := first + n%(b.o.Users-first)
		before, err := b.windowOf(c, user)
		if err != nil {
			return out, err
		}
		body, err := json.Marshal(map[string]any{"user_id": userID(user), "item_id": itemID(n % b.o.Items), "timestamp": time.Now().UTC().Format(time.RFC3339Nano)})
		if err != nil {
			return out, err
		}
		start := time.Now()
		switch status, answer, err := c.post("/v1/events", body); {
		case err != nil:
			return out, fmt.Errorf("send an event: %w", err)
		case status != 202:
			return out, fmt.Errorf("send an event: status %d: %.200s", status, answer)
		}
		for asked := 1; ; asked++ {
			now, err := b.windowOf(c, user)
			if err != nil {
				return out, err
			}
			if now > before {
				if n >= unmeasured {
					out.Asked += asked
					_ = times.RecordValue(min(time.Since(start).Microseconds(), 60_000_000)) // in range by the line itself
				}
				break
			}
			if time.Since(start) > patience {
				return out, fmt.Errorf("the event of %s is in no answer after %s", userID(user), patience)
			}
			if err := ctx.Err(); err != nil {
				return out, err
			}
			time.Sleep(500 * time.Microsecond) // asking without a pause would take the cores that the event needs
		}
	}
	out.P50, out.P99, out.Max, out.Clicks = ms(times, 50), ms(times, 99), float64(times.Max())/1000, b.o.Clicks
	b.log.Info("measured", "what", "click to answer", "p50_ms", out.P50, "p99_ms", out.P99)
	return out, nil
}

func (b *lab) windowOf(c *client, user int) (int64, error) {
	status, body, err := c.get(askFor(user))
	if err != nil {
		return 0, err
	}
	if status != 200 {
		return 0, fmt.Errorf("status %d: %.200s", status, body)
	}
	a, err := schema.DecodeAnswer(body)
	return a.WindowOffset, err
}
