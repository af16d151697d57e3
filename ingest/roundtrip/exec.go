// Package roundtrip sends pipelines to Redis so that no command of one that was not sent looks answered.
//
// It owns one trap of go-redis, which gives a connection that the server refuses with a reply (too many clients, a changed password, LOADING) as
// the fault of the pipeline alone and leaves each command without an error, at its zero value: a window that could not be read would be an
// empty one. It promises that after Exec a command either was answered or carries an error, keeps no state and starts no goroutine.
package roundtrip

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Exec sends pipe and returns its first fault, redis.Nil of a command among them. Every command that was not answered carries the fault.
func Exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			return err // the commands carry what there is
		}
	}
	for _, cmd := range cmds {
		cmd.SetErr(err)
	}
	return err
}
