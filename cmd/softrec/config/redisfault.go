package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/link"
)

// explainer adds what to look at to the replies of a Redis that settings are to blame for.
type explainer struct{ r Redis }

// DialHook implements redis.Hook: the dialer explains itself.
func (e explainer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (e explainer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := e.explain(next(ctx, cmd))
		if err != nil {
			cmd.SetErr(err)
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (e explainer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if err == nil {
			return nil
		}
		for _, cmd := range cmds {
			if reply := cmd.Err(); reply != nil {
				cmd.SetErr(e.explain(reply))
			}
		}
		return e.explain(err)
	}
}

// explain leaves alone what is no matter of settings, redis.Nil first of all.
func (e explainer) explain(err error) error {
	if err == nil {
		return nil
	}
	if told := new(link.Fault); errors.As(err, &told) {
		return err
	}
	hint := e.hint(err)
	if hint == "" {
		return err
	}
	return &link.Fault{Link: "redis", Err: err, Hint: hint}
}

func (e explainer) hint(err error) string {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return ""
	}
	user := e.r.Username
	if user == "" {
		user = "default"
	}
	text := reply.Error()
	switch {
	case strings.HasPrefix(text, "WRONGPASS"):
		return fmt.Sprintf("Redis refused the login of user %q: check redis.username and its password, and that the user is on", user)
	case strings.HasPrefix(text, "NOAUTH"):
		return "Redis wants a login: set redis.password_file or redis.password, and redis.username where there is an ACL; with sentinels, look at redis.sentinel.* as well"
	case strings.HasPrefix(text, "NOPERM"):
		return fmt.Sprintf("the ACL of user %q lacks a right (docs/operations.md lists those it needs)", user)
	}
	return ""
}

var _ redis.Hook = explainer{}
