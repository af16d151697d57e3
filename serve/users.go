package serve

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

type userInput struct {
	ID string `path:"id" doc:"user id"`
}

type userOutput struct{ Body UserWindow }

// UserWindow is a user's window with titles, oldest entry first.
type UserWindow struct {
	UserID  string           `json:"user_id"`
	Version int64            `json:"version" doc:"changes applied since the user was first seen; 0 = never seen"`
	Offsets map[string]int64 `json:"offsets" doc:"last applied offset by partition"`
	Entries []TitledEntry    `json:"entries"`
}

// TitledEntry is one interaction of a window with the item's title, where there is one.
type TitledEntry struct {
	schema.Interaction
	Title string `json:"title,omitempty"`
}

type userForgetOutput struct {
	Status int
	Body   UserForgotten
}

// UserForgotten is the answer to DELETE /v1/users/{id}.
type UserForgotten struct {
	UserID   string `json:"user_id"`
	Visible  bool   `json:"visible" doc:"false: accepted, but the window is not empty yet"`
	Deletion string `json:"deletion" doc:"id of the receipt, see /v1/deletions/{id}"`
}

type usersInput struct {
	Sample int `query:"sample" minimum:"1" maximum:"200" default:"20" doc:"users wanted"`
}

type usersOutput struct{ Body UserList }

// UserList is the answer to GET /v1/users.
type UserList struct {
	Users []RecentUser `json:"users"`
}

func (s *Server) registerUsers(api huma.API) {
	const tag, path = "users", "/v1/users/{id}"
	huma.Register(api, s.operation("list-users", http.MethodGet, "/v1/users", tag, "Some recently active users", "A sample for the page, newest first; not a directory."), s.listUsers)
	huma.Register(api, s.operation("get-user", http.MethodGet, path, tag, "A user's window", "Unknown users have an empty one."), s.getUser)
	op := s.operation("delete-user", http.MethodDelete, path, tag, "Forget a user",
		"Empties the window, and takes the user out of caches, training data, held-out data and trials; the receipt says when each part was done. Answers 200 once the window is empty, 202 when that takes longer than visible_wait. Models trained before keep what they learnt until they are replaced, the events stay on their topic as long as Kafka keeps them.")
	op.Errors = []int{422, 503}
	huma.Register(api, op, s.deleteUser)
	documentStatus(api.OpenAPI().Paths[path].Delete, http.StatusOK, http.StatusAccepted, "Accepted, not visible yet")
	s.registerDeletions(api)
}

func (s *Server) getUser(ctx context.Context, in *userInput) (*userOutput, error) {
	if err := schema.CheckUserID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	win, err := s.gateway.read(ctx, in.ID)
	if err != nil {
		_ = s.degrade(err)
		return nil, unavailable(s.cfg.BreakerCooldown, "the window of user %q cannot be read now", in.ID)
	}
	out := &userOutput{Body: UserWindow{UserID: in.ID, Version: win.Version, Offsets: win.Offsets, Entries: make([]TitledEntry, len(win.Entries))}}
	if out.Body.Offsets == nil {
		out.Body.Offsets = map[string]int64{}
	}
	for i, e := range win.Entries {
		out.Body.Entries[i] = TitledEntry{Interaction: e, Title: s.title(e.ItemID)}
	}
	return out, nil
}

func (s *Server) deleteUser(ctx context.Context, in *userInput) (*userForgetOutput, error) {
	if err := schema.CheckUserID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	before, err := s.gateway.read(ctx, in.ID)
	if err != nil {
		_ = s.degrade(err) // the tombstone counts, not the wait for it
	}
	id, err := s.openDeletion(ctx, schema.Deletion{UserID: in.ID})
	if err != nil {
		return nil, err
	}
	if err := s.publish(ctx, "interactions", func(ctx context.Context) error { return s.deps.Events.Forget(ctx, in.ID, id) }); err != nil {
		return nil, err
	}
	out := &userForgetOutput{Status: http.StatusOK, Body: UserForgotten{UserID: in.ID, Visible: true, Deletion: id}}
	gone := func(ctx context.Context) (bool, error) {
		win, err := s.deps.Windows.Window(ctx, in.ID)
		return err == nil && len(win.Entries) == 0 && advanced(before.Offsets, win.Offsets), err
	}
	if !s.await(ctx, gone) {
		s.metrics.unseen.WithLabelValues("user").Inc()
		out.Status, out.Body.Visible = http.StatusAccepted, false
	}
	return out, nil
}

// advanced reports whether something was applied since before. An empty window alone does not say that the tombstone
// was: events written just before it may still be on their way into a window that was empty already.
func advanced(before, after map[string]int64) bool {
	for partition, offset := range after {
		if old, ok := before[partition]; !ok || offset > old {
			return true
		}
	}
	return false
}

func (s *Server) listUsers(ctx context.Context, in *usersInput) (*usersOutput, error) {
	var raw []string
	err := s.gateway.do(ctx, func(ctx context.Context, pipe redis.Pipeliner) func() error {
		cmd := pipe.LRange(ctx, s.deps.Keys.RecentEvents(), 0, recentEvents-1)
		return func() (err error) { raw, err = cmd.Result(); return err }
	})
	if err != nil {
		_ = s.degrade(err)
		return nil, unavailable(s.cfg.BreakerCooldown, "recent users cannot be read now")
	}
	return &usersOutput{Body: UserList{Users: recentUsers(s.decodeRecent(raw), in.Sample)}}, nil
}
