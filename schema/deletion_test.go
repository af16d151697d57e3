package schema

import (
	"strings"
	"testing"
	"time"
)

// A receipt is named by the tombstone's header, where that can be a name, and else by the place of its record.
func TestDeletion_namesOfReceipts(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for named, api := range map[string]bool{"0193-a": true, "": false, "a\x00b": false, strings.Repeat("x", MaxIDLen+1): false} {
		user, item := UserDeletion("ann", named, at, 2, 7), ItemDeletion("mug", named, at, 2, 7)
		wantUser, wantItem, by := DeletionID(2, 7), ItemDeletionID(2, 7), DeletionByTombstone
		if api {
			wantUser, wantItem, by = named, named, DeletionByAPI
		}
		if user.ID != wantUser || user.UserID != "ann" || user.ItemID != "" || user.By != by || !user.Requested.Equal(at) {
			t.Errorf("%q: receipt of a user %+v", named, user)
		}
		if item.ID != wantItem || item.ItemID != "mug" || item.UserID != "" || item.By != by || !item.Requested.Equal(at) {
			t.Errorf("%q: receipt of an item %+v", named, item)
		}
	}
}

// A receipt names the topics whose records no deletion reaches. That of the dead letters was missing once, and kept them for ever.
func TestDeletion_MarkKept(t *testing.T) {
	for name, d := range map[string]Deletion{"user": {UserID: "ann"}, "item": {ItemID: "mug"}} {
		d.MarkKept()
		for topic, setting := range map[string]string{TopicInteractions: "ingest.retention", TopicDeadLetter: "ingest.dead_letter_retention"} {
			if !strings.Contains(d.Kept[topic], setting) {
				t.Errorf("receipt of a %s: of %s it says %q", name, topic, d.Kept[topic])
			}
		}
	}
}
