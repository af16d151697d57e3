package chaos

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/embedded"
)

// standing is what stands on somebody's servers: topics, groups and keys, with a word before each.
func standing(t *testing.T, brokers []string, rdb *redis.Client) (all []string) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 20 * time.Second}
	topics, err := client.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics.Topics {
		if !topic.Internal {
			all = append(all, "topic "+topic.Name)
		}
	}
	groups, err := client.ListGroups(t.Context(), &kafka.ListGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups.Groups {
		all = append(all, "group "+g.GroupID)
	}
	keys, err := rdb.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		all = append(all, "key "+key)
	}
	slices.Sort(all)
	return all
}

// A run on somebody's servers touches nothing that is there and leaves nothing behind, whatever the shell says of rounds and
// attribution. Without real servers it runs on an embedded pair that is not the run's own.
func TestChaos_onRealServers_leavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("builds softrec and runs it for some seconds")
	}
	brokers, redisAddr := strings.Split(os.Getenv("TEST_KAFKA"), ","), os.Getenv("TEST_REDIS")
	if os.Getenv("TEST_KAFKA") == "" || redisAddr == "" || strings.Contains(redisAddr, ",") {
		servers, err := embedded.Start(embedded.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := servers.Close(); err != nil {
				t.Error(err)
			}
		})
		brokers, redisAddr = servers.Brokers(), servers.RedisAddr()
	}
	rdb := redis.NewClient(&redis.Options{Addr: redisAddr})
	t.Cleanup(func() { _ = rdb.Close() })
	window := fmt.Sprintf("softrec:u:{somebody%d}", time.Now().UnixNano()) // of nobody who is there
	if err := rdb.Set(t.Context(), window, "a window", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rdb.Del(context.WithoutCancel(t.Context()), window).Err(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("SOFTREC_ATTRIBUTION_ENABLED", "true")
	before := standing(t, brokers, rdb)
	status, o := chaos(t, binary(t, ""), 6000, 1200, 4, "--kafka", strings.Join(brokers, ","), "--redis", redisAddr)
	if status != 0 || o.Windows < 400 {
		t.Errorf("exit status %d, %+v", status, o)
	}
	var after, left []string
	// A real broker lists a topic until it has heard of its end, a moment after it was told to delete it.
	err := until(t.Context(), "nothing is left", 20*time.Second, func(context.Context) (bool, error) {
		after = standing(t, brokers, rdb)
		left = slices.DeleteFunc(slices.Clone(after), func(one string) bool { return slices.Contains(before, one) })
		return len(left) == 0, nil
	})
	if err != nil {
		t.Errorf("%v: the run left %q", err, left)
	}
	if !slices.Contains(after, "key "+window) {
		t.Error("the run took somebody's key")
	}
}
