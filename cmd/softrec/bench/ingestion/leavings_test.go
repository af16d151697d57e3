package ingestion

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	_ "github.com/softrec/softrec/cmd/softrec/app" // what the test builds and starts: a change of it must run it again
	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/config/configtest"
	"github.com/softrec/softrec/ingest/embedded"
)

func TestMain(m *testing.M) {
	configtest.DropTestVariables()
	os.Exit(m.Run())
}

// standing is what stands on somebody's servers: topics, groups and keys, with a word before each.
func standing(t *testing.T, servers *embedded.Servers) (all []string) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(servers.Brokers()...), Transport: transport, Timeout: 20 * time.Second}
	topics, err := client.Metadata(t.Context(), &kafka.MetadataRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics.Topics {
		all = append(all, "topic "+topic.Name)
	}
	groups, err := client.ListGroups(t.Context(), &kafka.ListGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups.Groups {
		all = append(all, "group "+g.GroupID)
	}
	rdb := redis.NewClient(&redis.Options{Addr: servers.RedisAddr()})
	defer rdb.Close()
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

// A run on somebody's servers leaves them as it found them, its processes too: windows of probes, names, groups.
func TestRun_leavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("builds softrec and starts three processes")
	}
	bin := filepath.Join(t.TempDir(), "softrec")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/softrec/softrec/cmd/softrec").CombinedOutput(); err != nil {
		t.Fatalf("build softrec: %v\n%s", err, out)
	}
	servers, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Redis.Addrs = servers.Brokers(), []string{servers.RedisAddr()}
	cfg.Admin.Listen = servers.RedisAddr() // taken: no address for several processes
	before := standing(t, servers)
	o := DefaultOptions()
	o.Events, o.Users, o.Rounds, o.Rates, o.Seconds, o.Self = 1000, 50, 1, []int{200}, 0.2, []string{bin}
	r, err := Run(t.Context(), cfg, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Shared) != 2 || len(r.Loops) != 1 {
		t.Errorf("the run did less than it should: %+v", r)
	}
	if after := standing(t, servers); !slices.Equal(before, after) {
		t.Errorf("on the servers stand %q, before it was %q", after, before)
	}
}
