package serve

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
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
