package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/softrec/softrec/serve/rpc"
)

// listening serves the API over HTTP/1.1 and HTTP/2 without TLS, as Run does, and returns its address and an HTTP/2 client.
func (st *stack) listening() (string, *http.Client) {
	server := httptest.NewUnstartedServer(st.s.Handler())
	server.Config.Protocols = protocols()
	server.Start()
	st.t.Cleanup(server.Close)
	two := new(http.Protocols)
	two.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: two}
	st.t.Cleanup(transport.CloseIdleConnections)
	return server.URL, &http.Client{Transport: transport}
}

// One road, three protocols: what is sent over each shows in the lists that each of them gives.
func TestCalls_theRoadOfAClick(t *testing.T) {
	st := newStack(t).stock(4)
	url, h2 := st.listening()
	for name, c := range map[string]rpc.SoftrecServiceClient{
		"grpc":     rpc.NewSoftrecServiceClient(h2, url, connect.WithGRPC()),
		"grpc-web": rpc.NewSoftrecServiceClient(http.DefaultClient, url, connect.WithGRPCWeb()),
		"connect":  rpc.NewSoftrecServiceClient(http.DefaultClient, url, connect.WithProtoJSON()),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, user := t.Context(), "u-"+name
			taken, err := c.TakeEvents(ctx, connect.NewRequest(&rpc.TakeEventsRequest{Events: []*rpc.Event{
				{EventId: "e", UserId: user, ItemId: "i0", Timestamp: timestamppb.New(st.clock())}, {UserId: user},
			}}))
			if err != nil || taken.Msg.Accepted != 1 || len(taken.Msg.Rejected) == 0 || taken.Msg.Rejected[0].Index != 1 {
				t.Fatal(taken, err)
			}
			answer, err := c.Recommend(ctx, connect.NewRequest(&rpc.RecommendRequest{UserId: user, Want: &rpc.Want{N: 3, FilterSeen: true}}))
			if err != nil || len(answer.Msg.Items) != 3 || answer.Msg.RecommendationId == "" {
				t.Fatal(answer, err)
			}
			for _, it := range answer.Msg.Items {
				if it.Id == "i0" || it.Title == "" || it.Source == "" {
					t.Errorf("item %v", it)
				}
			}
			if a, err := c.Similar(ctx, connect.NewRequest(&rpc.SimilarRequest{ItemId: "i0", Want: &rpc.Want{N: 1}})); err != nil || len(a.Msg.Items) != 1 {
				t.Error(a, err)
			}
			if a, err := c.Popular(ctx, connect.NewRequest(&rpc.PopularRequest{Want: &rpc.Want{N: 2}})); err != nil || len(a.Msg.Items) != 2 {
				t.Error(a, err)
			}
			if a, err := c.Session(ctx, connect.NewRequest(&rpc.SessionRequest{Items: []string{"i1"}, Want: &rpc.Want{N: 2, FilterSeen: true}})); err != nil || len(a.Msg.Items) != 2 {
				t.Error(a, err)
			}
			_, err = c.Recommend(ctx, connect.NewRequest(&rpc.RecommendRequest{}))
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "user_id") {
				t.Errorf("without a user: %v", err)
			}
			_, err = c.Recommend(ctx, connect.NewRequest(&rpc.RecommendRequest{UserId: "u", Want: &rpc.Want{N: 5000}}))
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), `want.n "5000"`) {
				t.Errorf("too many: %v", err)
			}
		})
	}
}

// What a user had is left out beside the rules of a placement, too, also where the list is filled from the catalogue; a time that no calendar
// has is the fault of its event, and of no other.
func TestCalls_sayWhatTheHTTPOnesSay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "placements.json")
	if err := os.WriteFile(file, []byte(`{"default":{"caps":{"*":9}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	st := newStack(t, func(c *Config, _ *Deps) { c.Placements = file }).stock(3)
	url, h2 := st.listening()
	c := rpc.NewSoftrecServiceClient(h2, url, connect.WithGRPC())
	taken, err := c.TakeEvents(t.Context(), connect.NewRequest(&rpc.TakeEventsRequest{Events: []*rpc.Event{
		{EventId: "a", UserId: "u", ItemId: "i000", Timestamp: timestamppb.New(st.clock())},
		{EventId: "b", UserId: "u", ItemId: "i001", Timestamp: &timestamppb.Timestamp{Seconds: -1 << 61}},
	}}))
	if err != nil || taken.Msg.Accepted != 1 || len(taken.Msg.Rejected) != 1 || taken.Msg.Rejected[0].Index != 1 || !strings.Contains(fmt.Sprint(taken.Msg.Rejected[0]), "timestamp") {
		t.Fatal(taken, err)
	}
	answer, err := c.Recommend(t.Context(), connect.NewRequest(&rpc.RecommendRequest{UserId: "u", Want: &rpc.Want{N: 3, FilterSeen: true}}))
	if err != nil || len(answer.Msg.Items) != 2 {
		t.Errorf("%v, %v, want the two items that the user did not have", answer, err)
	}
}

// A call that says so is a look: of each list, only the answer without it is an impression, and only that one has its shadow computed.
func TestCalls_looksAreNoImpressions(t *testing.T) {
	st, sink := withArms(t, `{"arms":[{"name":"ruled","share":0.5,"rules":{"categories":["even"]}}],"shadows":[{"name":"pop","share":1,"ranking":"popular"}]}`)
	st.model("v1", names(20)...)
	url, h2 := st.listening()
	c := rpc.NewSoftrecServiceClient(h2, url, connect.WithGRPC())
	type list struct {
		name string
		ask  func(want *rpc.Want) (*connect.Response[rpc.Answer], error)
	}
	lists := []list{
		{"similar", func(w *rpc.Want) (*connect.Response[rpc.Answer], error) {
			return c.Similar(t.Context(), connect.NewRequest(&rpc.SimilarRequest{ItemId: "i001", Want: w}))
		}},
		{"popular", func(w *rpc.Want) (*connect.Response[rpc.Answer], error) {
			return c.Popular(t.Context(), connect.NewRequest(&rpc.PopularRequest{Want: w}))
		}},
		{"session", func(w *rpc.Want) (*connect.Response[rpc.Answer], error) {
			return c.Session(t.Context(), connect.NewRequest(&rpc.SessionRequest{Items: []string{"i001"}, Want: w}))
		}},
	}
	arms := map[string]bool{}
	for _, user := range []string{"u0", "u1", "u2", "u3", "u4", "u5"} { // of both arms
		arms[st.recommend("/v1/recommend/"+user+"?log=false").Arm] = true
		lists = append(lists, list{user, func(w *rpc.Want) (*connect.Response[rpc.Answer], error) {
			return c.Recommend(t.Context(), connect.NewRequest(&rpc.RecommendRequest{UserId: user, Want: w}))
		}})
	}
	if len(arms) != 2 {
		t.Fatalf("users of the arms %v: want both", arms)
	}
	of := map[string]string{} // the list of an answer that is to be logged
	for _, l := range lists {
		look, err := l.ask(&rpc.Want{N: 3, Unlogged: true})
		if err != nil || len(look.Msg.Items) != 3 || look.Msg.RecommendationId == "" {
			t.Fatalf("look at %s: %v %v", l.name, look, err)
		}
		for _, want := range []*rpc.Want{{N: 3}, nil} {
			a, err := l.ask(want)
			if err != nil {
				t.Fatalf("%s: %v", l.name, err)
			}
			of[a.Msg.RecommendationId] = l.name
		}
	}
	users := len(lists) - 3
	eventually(t, "what was to be logged is", func() bool { return len(sink.seen()) >= len(of)+2*users })
	count := map[string]int{}
	for _, im := range sink.seen() {
		if of[im.RecommendationID] == "" {
			t.Errorf("a look is logged: %+v", im)
		}
		count[of[im.RecommendationID]]++
	}
	for _, l := range lists {
		want := 2
		if strings.HasPrefix(l.name, "u") {
			want = 4 // with the shadows
		}
		if count[l.name] != want {
			t.Errorf("%s: %d records, want %d", l.name, count[l.name], want)
		}
	}
}

// The README's command for grpcurl: what it sends, as grpcurl reads it, over gRPC, to the method that it names.
func TestCalls_theReadmesCommand(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^grpcurl .*$`).FindString(string(readme))
	list := words(line)
	if len(list) != 6 || !slices.Equal(list[:3], []string{"grpcurl", "-plaintext", "-d"}) || list[4] != "localhost:8080" {
		t.Fatalf("%q", list)
	}
	var in rpc.RecommendRequest
	if err := protojson.Unmarshal([]byte(list[3]), &in); err != nil {
		t.Fatal(err)
	}
	st := newStack(t).stock(9)
	url, h2 := st.listening()
	call := connect.NewClient[rpc.RecommendRequest, rpc.Answer](h2, url+"/"+list[5], connect.WithGRPC())
	if a, err := call.CallUnary(t.Context(), connect.NewRequest(&in)); err != nil || len(a.Msg.Items) != 5 {
		t.Error(a, err)
	}
}

func TestCalls_reflectionAndHealth(t *testing.T) {
	st := newStack(t)
	st.refresh()
	url, h2 := st.listening()
	stream := grpcreflect.NewClient(h2, url, connect.WithGRPC()).NewStream(t.Context())
	names, err := stream.ListServices()
	if err != nil || len(names) != 2 {
		t.Errorf("services %v: %v", names, err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
	health := func() grpchealth.Status {
		r, err := (healthOf{st.s}).Check(context.Background(), &grpchealth.CheckRequest{Service: rpc.SoftrecServiceName})
		if err != nil {
			t.Fatal(err)
		}
		return r.Status
	}
	if got := health(); got != grpchealth.StatusServing {
		t.Errorf("status %v", got)
	}
	st.s.stopping.Store(true)
	if got := health(); got != grpchealth.StatusNotServing {
		t.Errorf("status %v while it stops", got)
	}
	if _, err := (healthOf{st.s}).Check(context.Background(), &grpchealth.CheckRequest{Service: "other"}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another service: %v", err)
	}
}

// Calls need the keys that the HTTP API asks for.
func TestCalls_areGuarded(t *testing.T) {
	for path, want := range map[string]string{
		rpc.SoftrecServiceRecommendProcedure: "read", rpc.SoftrecServiceTakeEventsProcedure: "write",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "read", "/api/feedback": "write", "/feedback": "write",
	} {
		need, open := scopeOf(httptest.NewRequest(http.MethodPost, path, nil))
		if open || string(need) != want {
			t.Errorf("%s: needs %q, open %v; want %q", path, need, open, want)
		}
	}
	if need, open := scopeOf(httptest.NewRequest(http.MethodGet, "/api/recommend/u", nil)); open || need != "read" {
		t.Errorf("Gorse's list: %q %v", need, open)
	}
	if _, open := scopeOf(httptest.NewRequest(http.MethodPost, healthPath, nil)); !open {
		t.Error("health needs a key")
	}
}
