package roundtrip

import (
	"errors"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExec(t *testing.T) {
	srv := miniredis.RunT(t)
	const dead = "WRONGTYPE Operation against a key holding the wrong kind of value"
	open := func(password string) redis.UniversalClient {
		rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{srv.Addr()}, MaxRetries: -1, Password: password})
		t.Cleanup(func() { _ = rdb.Close() })
		return rdb
	}
	srv.RequireAuth("right")
	if err := srv.Set("a", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Lpush("list", "x"); err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func(redis.UniversalClient) redis.Pipeliner{
		"pipeline":    redis.UniversalClient.Pipeline,
		"transaction": redis.UniversalClient.TxPipeline,
	} {
		t.Run(name, func(t *testing.T) {
			pipe := send(open("wrong"))
			get, length := pipe.Get(t.Context(), "a"), pipe.StrLen(t.Context(), "a")
			if err := Exec(t.Context(), pipe); !redis.HasErrorPrefix(err, "WRONGPASS") {
				t.Errorf("Exec on a connection that was refused: %v", err)
			}
			for _, cmd := range []redis.Cmder{get, length} {
				if err := cmd.Err(); !redis.HasErrorPrefix(err, "WRONGPASS") {
					t.Errorf("%s on a connection that was refused: %v", cmd.Name(), err)
				}
			}
			pipe = send(open("right"))
			get, wrong, none := pipe.Get(t.Context(), "a"), pipe.Get(t.Context(), "list"), pipe.Get(t.Context(), "none")
			if err := Exec(t.Context(), pipe); err == nil || err.Error() != dead {
				t.Errorf("Exec with a command of the wrong kind: %v", err)
			}
			if get.Val() != "1" || get.Err() != nil || wrong.Err() == nil || !errors.Is(none.Err(), redis.Nil) {
				t.Errorf("the commands say %v, %v and %v", get, wrong, none)
			}
			pipe = send(open("right"))
			get = pipe.Get(t.Context(), "a")
			if err := Exec(t.Context(), pipe); err != nil || get.Val() != "1" {
				t.Errorf("%v, %v", get, err)
			}
		})
	}
}
