package serve

import (
	"encoding/json"
	"time"

	"github.com/softrec/softrec/schema"
)

// recentEvents is how many of the newest ingested events are read for the page.
const recentEvents = 200

// RecentEvent is one ingested event, as ingest lists it for the page, with the item's title.
type RecentEvent struct {
	schema.Event
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Title     string `json:"title,omitempty"`
}

// RecentUser is a user who did something lately.
type RecentUser struct {
	UserID    string    `json:"user_id"`
	Events    int       `json:"events" doc:"among the newest ingested events"`
	Last      time.Time `json:"last"`
	LastItem  string    `json:"last_item"`
	LastTitle string    `json:"last_title,omitempty"`
}

// decodeRecent reads the feed, newest first, joins titles and passes over what it cannot read: the feed is best effort.
func (s *Server) decodeRecent(raw []string) []RecentEvent {
	all := make([]RecentEvent, 0, len(raw))
	for _, r := range raw {
		var e RecentEvent
		if err := json.Unmarshal([]byte(r), &e); err != nil || e.UserID == "" {
			continue
		}
		e.Title = s.title(e.ItemID)
		all = append(all, e)
	}
	return all
}

// recentUsers returns up to n distinct users of events, which are newest first.
func recentUsers(events []RecentEvent, n int) []RecentUser {
	users, at := []RecentUser{}, map[string]int{}
	for _, e := range events {
		if i, ok := at[e.UserID]; ok {
			users[i].Events++
			continue
		}
		if len(users) == n {
			continue
		}
		at[e.UserID] = len(users)
		users = append(users, RecentUser{UserID: e.UserID, Events: 1, Last: e.Timestamp, LastItem: e.ItemID, LastTitle: e.Title})
	}
	return users
}
