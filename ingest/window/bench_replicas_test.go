package window

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
)

// BenchmarkStore_Apply_replicas is what waiting for replicas costs: calls of 1,000 users and of 20, one event each, to a master with two
// replicas on this machine (TEST_SENTINELS), waiting for none, one and both.
func BenchmarkStore_Apply_replicas(b *testing.B) {
	sentinels := os.Getenv("TEST_SENTINELS")
	if sentinels == "" {
		b.Skip("TEST_SENTINELS names no sentinels")
	}
	rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Split(sentinels, ","), MasterName: "recommendations", MaxRetries: -1})
	defer rdb.Close()
	for _, users := range []int{20, 1000} {
		for want := range 3 {
			b.Run(fmt.Sprintf("%d users, %d replicas", users, want), func(b *testing.B) {
				s := open(b, backend{"", rdb}, DefaultRules())
				safe, err := New(rdb, s.keys, s.rules, WithReplicas(replicas.Policy{Replicas: want, Timeout: time.Second}))
				if err != nil {
					b.Fatal(err)
				}
				batch := make([]UserBatch, users)
				for i := 0; b.Loop(); i++ {
					for u := range batch {
						batch[u] = UserBatch{"user-" + strconv.Itoa(u), 0, []Record{named(view(int64(i), "item-12345", i), fmt.Sprintf("event-%d-%d", u, i))}}
					}
					apply(b, safe, batch...)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*users), "ns/event")
			})
		}
	}
}
