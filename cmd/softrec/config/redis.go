package config

import (
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// Redis says how to reach Redis. No address means the embedded server.
type Redis struct {
	Addrs    []string      `koanf:"addrs" help:"host:port of Redis; several name a Redis Cluster; none means the embedded server"`
	Username string        `koanf:"username" help:"user name for Redis, empty for none"`
	Password Secret        `koanf:"password" help:"password for Redis, empty for none"`
	DB       int           `koanf:"db" help:"number of the Redis database; a cluster has only 0"`
	Cluster  bool          `koanf:"cluster" help:"talk to a Redis Cluster even when one address is given"`
	Prefix   string        `koanf:"prefix" help:"start of every key softrec writes to Redis"`
	Timeout  time.Duration `koanf:"timeout" help:"longest wait for a connection, a read or a write"`
	PoolSize int           `koanf:"pool_size" help:"most connections to one Redis node; 0 means ten for each CPU"`
}

// DefaultRedis uses the embedded server.
func DefaultRedis() Redis {
	return Redis{Addrs: []string{}, Prefix: schema.DefaultPrefix, Timeout: 3 * time.Second}
}

// Validate reports every fault of r.
func (r Redis) Validate() error {
	var errs []error
	for _, a := range r.Addrs {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			errs = append(errs, complaint("addrs", a, "wants host:port, such as 127.0.0.1:6379"))
		}
	}
	if r.DB < 0 || r.DB > 0 && (r.Cluster || len(r.Addrs) > 1) {
		errs = append(errs, complaint("db", r.DB, "wants at least 0, and 0 with a cluster"))
	}
	if r.Prefix == "" || strings.ContainsAny(r.Prefix, "{}") {
		errs = append(errs, complaint("prefix", r.Prefix, "wants at least one character and no braces, which name a cluster slot"))
	}
	if r.Timeout <= 0 {
		errs = append(errs, complaint("timeout", r.Timeout, "wants more than 0s"))
	}
	if r.PoolSize < 0 {
		errs = append(errs, complaint("pool_size", r.PoolSize, "wants at least 0"))
	}
	return errors.Join(errs...)
}

// Keys is the layout under the prefix.
func (r Redis) Keys() schema.Keys { return schema.NewKeys(r.Prefix) }

// Options returns how to connect to addrs, normally r.Addrs or the embedded server's. The client never retries: the
// callers do, with whole batches.
func (r Redis) Options(addrs []string) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs: addrs, Username: r.Username, Password: r.Password.Reveal(), DB: r.DB, IsClusterMode: r.Cluster,
		DialTimeout: r.Timeout, ReadTimeout: r.Timeout, WriteTimeout: r.Timeout, PoolSize: r.PoolSize,
		MaxRetries: -1, ClientName: "softrec", DisableIdentity: true,
	}
}
