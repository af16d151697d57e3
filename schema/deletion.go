package schema

import (
	"strconv"
	"time"
)

// HeaderDeletion is the header of a tombstone, of a user or an item, that names its receipt. A tombstone without one has the receipt
// DeletionID, or ItemDeletionID.
const HeaderDeletion = "deletion-id"

// Parts of softrec that hold something of a user or an item, and confirm when it is gone. A process that serves confirms under
// PartServe, and under PartServe, a colon and its name.
const (
	PartWindow      = "window"      // of a user: the window in Redis and the page's feed of newest events
	PartCatalogue   = "catalogue"   // of an item: its entry; from then on every reading of a window leaves the item out
	PartServe       = "serve"       // cached answers and readings of at least one process
	PartTrainer     = "trainer"     // the trainer's memory: windows, examples, held-out rows, replay rows, neighbour profiles; of a user the scores of trials, of an item its counts
	PartCheckpoint  = "checkpoint"  // the same on its disk; at once where there is none
	PartAttribution = "attribution" // of a user, where attribution is on: the newest lists, which wait for what the user does next
)

// Deletion is the receipt of the deletion of one user or one item.
type Deletion struct {
	ID        string               `json:"id"`
	UserID    string               `json:"user_id,omitempty" doc:"the user; absent in the receipt of an item"`
	ItemID    string               `json:"item_id,omitempty" doc:"the item; absent in the receipt of a user"`
	By        string               `json:"by" doc:"api, or tombstone for a record that somebody else wrote to the topic"`
	Requested time.Time            `json:"requested"`
	Parts     map[string]time.Time `json:"parts" doc:"when each part had nothing of the user or the item any more"`
	Awaits    []string             `json:"awaits,omitempty" doc:"parts that must confirm besides the usual ones: attribution, for a user and where it is on"`
	Kept      map[string]string    `json:"kept,omitempty" doc:"what no confirmation covers, and how long it stays"`
	Complete  bool                 `json:"complete" doc:"window (of an item: catalogue), serve, trainer, checkpoint and what is in awaits have confirmed"`
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

// ItemDeletionID names the receipt of an item's tombstone that came without a name.
func ItemDeletionID(partition int, offset int64) string {
	return "item-" + DeletionID(partition, offset)
}

// UserDeletion is the receipt of a user's tombstone, a record of the time at: named is what its header HeaderDeletion says. Whoever reads the
// record gives its receipt the same name.
func UserDeletion(user, named string, at time.Time, partition int, offset int64) Deletion {
	d := Deletion{UserID: user, Requested: at}
	d.ID, d.By = nameDeletion(named, DeletionID(partition, offset))
	return d
}

// ItemDeletion is UserDeletion for an item's tombstone.
func ItemDeletion(item, named string, at time.Time, partition int, offset int64) Deletion {
	d := Deletion{ItemID: item, Requested: at}
	d.ID, d.By = nameDeletion(named, ItemDeletionID(partition, offset))
	return d
}

// nameDeletion is the name of a receipt and who asked for the deletion. Anybody may write to the topics: what is no name is none.
func nameDeletion(named, otherwise string) (id, by string) {
	if CheckUserID(named) != nil {
		return otherwise, DeletionByTombstone
	}
	return named, DeletionByAPI
}

// MarkComplete sets Complete from Parts.
func (d *Deletion) MarkComplete() {
	first := PartWindow
	if d.ItemID != "" {
		first = PartCatalogue
	}
	d.Complete = true
	for _, part := range append([]string{first, PartServe, PartTrainer, PartCheckpoint}, d.Awaits...) {
		if _, ok := d.Parts[part]; !ok {
			d.Complete = false
		}
	}
}

// MarkKept sets Kept: what a deletion leaves where it is, whoever has confirmed.
func (d *Deletion) MarkKept() {
	const models = "models and the network's weights keep what they learnt until they are replaced and pruned (trainer.keep)"
	const letters = "records that could not be used stay as they were set aside, whomever they name, until ingest.dead_letter_retention ends"
	if d.ItemID == "" {
		d.Kept = map[string]string{
			TopicInteractions: "the user's events stay until ingest.retention ends",
			TopicImpressions:  "what the user was shown stays until attribution.retention ends, where attribution is on",
			TopicDeadLetter:   letters,
			"models":          models,
		}
		return
	}
	d.Kept = map[string]string{
		PartWindow:        "the item is left out wherever a window is read; it leaves Redis as newer interactions push it out, or with window.idle_ttl",
		TopicInteractions: "events of the item stay until ingest.retention ends; they are learnt by nobody any more",
		TopicDeadLetter:   letters,
		"page":            "the page's feed of newest events shows events of the item until newer ones push them out",
		PartAttribution:   "open answers that showed the item stay until attribution.window ends, as hashes, and the topic until attribution.retention, where attribution is on",
		"models":          models + "; no answer holds the item meanwhile",
	}
}
