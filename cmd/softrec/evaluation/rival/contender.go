package rival

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/softrec/softrec/schema"
)

// Contender is one model under test.
type Contender interface {
	// Name is the model's name in the results.
	Name() string
	// Answer says what the user of q may want next. The answer is good until the next call.
	Answer(q Question) (Answer, error)
	// Learn is told a basket, once, after every contender has answered for it.
	Learn(ctx context.Context, b *Basket) error
}

// Warmed is a Contender that wants to know when the warm-up is over. It is told before the first scored question.
type Warmed interface {
	EndWarmup()
}

// Closer is a Contender that holds something to let go of when its pass is over.
type Closer interface {
	Close() error
}

// Question asks for the next basket of a user, of which nothing but the user and the time is known.
type Question struct {
	Number int // of the basket, in the order of the log
	User   int32
	UserID string
	At     time.Time
	Had    []int32 // items to leave out, ascending; nil where nothing is filtered
}

// Excluded reports whether an item is to be left out.
func (q Question) Excluded(item int32) bool {
	_, found := slices.BinarySearch(q.Had, item)
	return found
}

// Answer is one list for a whole basket.
type Answer struct {
	Top  []int32                  // at most ten items, the best first
	Rank func(item int32) float64 // place among all items learnt so far, ties at the middle; infinite for others
	Age  int                      // events the answering network is behind; 0 where there is none
}

// Listed is an answer that knows no more than its list: whatever is not in it ranks at infinity.
func Listed(top []int32) Answer {
	return Answer{Top: top, Rank: func(item int32) float64 {
		if i := slices.Index(top, item); i >= 0 {
			return float64(i + 1)
		}
		return math.Inf(1)
	}}
}

// Line is one line of a basket. Items and users have numbers from 0 in the order in which the log shows them first, so that a
// number says nothing of what comes later.
type Line struct {
	Item   int32
	Source int32 // line of the file
	ID     string
	Type   string
	Value  float64
}

// Basket is what one user did at one time.
type Basket struct {
	Number int
	User   int32
	UserID string
	At     time.Time // of all lines
	ID     string    // the basket's name in the log, may be empty
	Lines  []Line
	New    []schema.Item // what the catalogue says of items that come up for the first time
}

// Events returns the lines as the events that a producer would have sent.
func (b *Basket) Events() []schema.Event {
	out := make([]schema.Event, len(b.Lines))
	for i, l := range b.Lines {
		out[i] = schema.Event{
			EventID: eventID(l.Source), UserID: b.UserID, ItemID: l.ID, Type: l.Type, Timestamp: b.At, Value: l.Value, SessionID: b.ID,
		}
	}
	return out
}

// eventID names a line for ever: a log sent twice is the same log.
func eventID(line int32) string { return "log-" + strconv.Itoa(int(line)) }
