package schema

import (
	"strconv"
	"time"
)

// HeaderDeletion is the header of a user's tombstone that names its receipt. A tombstone without one has the receipt DeletionID.
const HeaderDeletion = "deletion-id"

// Parts of softrec that hold something of a user, and confirm when it is gone. A process that serves confirms under
// PartServe, and under PartServe, a colon and its name.
const (
	PartWindow     = "window"     // the window in Redis and the page's feed of newest events
	PartServe      = "serve"      // cached answers and readings of at least one process
	PartTrainer    = "trainer"    // the trainer's memory: window, examples, held-out rows, replay rows, neighbour profile, scores of trials
	PartCheckpoint = "checkpoint" // the same on its disk; at once where there is none
)

// Deletion is the receipt of one user's deletion.
type Deletion struct {
	ID        string               `json:"id"`
	UserID    string               `json:"user_id"`
	By        string               `json:"by" doc:"api, or tombstone for a record that somebody else wrote to the topic"`
	Requested time.Time            `json:"requested"`
	Parts     map[string]time.Time `json:"parts" doc:"when each part had nothing of the user any more"`
	Complete  bool                 `json:"complete" doc:"window, serve, trainer and checkpoint have confirmed"`
}

// Values of Deletion.By.
const (
	DeletionByAPI       = "api"
	DeletionByTombstone = "tombstone"
)

// DeletionID names the receipt of a tombstone that came without a name.
func DeletionID(partition int, offset int64) string {
	return "record-" + strconv.Itoa(partition) + "-" + strconv.FormatInt(offset, 10)
}

// MarkComplete sets Complete from Parts.
func (d *Deletion) MarkComplete() {
	d.Complete = true
	for _, part := range [...]string{PartWindow, PartServe, PartTrainer, PartCheckpoint} {
		if _, ok := d.Parts[part]; !ok {
			d.Complete = false
		}
	}
}
