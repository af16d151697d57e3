package config

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/link"
	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/schema"
)

// Redis says how to reach Redis. No address, of Redis or of a sentinel, means the embedded server.
type Redis struct {
	Addrs        []string      `koanf:"addrs" help:"host:port of Redis; several name a Redis Cluster; none, and no sentinel, means the embedded server"`
	Username     string        `koanf:"username" help:"user of Redis's ACL; empty means the user default"`
	Password     Secret        `koanf:"password" help:"password of that user, empty for none; better kept in password_file or in the variable SOFTREC_REDIS_PASSWORD than on a command line"`
	PasswordFile string        `koanf:"password_file" help:"file that holds the password, read anew for each connection"`
	DB           int           `koanf:"db" help:"number of the Redis database; a cluster has only 0"`
	Cluster      bool          `koanf:"cluster" help:"talk to a Redis Cluster even when one address is given"`
	Prefix       string        `koanf:"prefix" help:"start of every key softrec writes to Redis"`
	Timeout      time.Duration `koanf:"timeout" help:"longest wait for a connection, a read or a write"`
	PoolSize     int           `koanf:"pool_size" help:"most connections to one Redis node; 0 means ten for each CPU"`
	WaitReplicas int           `koanf:"wait_replicas" help:"replicas of each master that must have a window before its events are committed; 0 waits for none, and a failover then loses what they had not heard of; with fewer of them at hand ingest stands still"`
	TLS          link.TLS      `koanf:"tls"`
	Sentinel     Sentinel      `koanf:"sentinel"`
}

// Sentinel names sentinels that know which of several servers is the master.
type Sentinel struct {
	Addrs        []string `koanf:"addrs" help:"host:port of the sentinels that say where Redis is; redis.addrs then stays empty"`
	Master       string   `koanf:"master" help:"name of the master as the sentinels know it"`
	Username     string   `koanf:"username" help:"user of the sentinels' own ACL; empty means the user default"`
	Password     Secret   `koanf:"password" help:"password of the sentinels themselves, empty for none"`
	PasswordFile string   `koanf:"password_file" help:"file that holds the sentinels' password, read once at the start"`
}

// DefaultRedis uses the embedded server.
func DefaultRedis() Redis {
	return Redis{Addrs: []string{}, Prefix: schema.DefaultPrefix, Timeout: 3 * time.Second, TLS: link.DefaultTLS(), Sentinel: Sentinel{Addrs: []string{}}}
}

// Validate reports every fault of r. It reads the files that r names.
func (r Redis) Validate() error {
	errs := []error{wantAddrs("redis.addrs", r.Addrs, "127.0.0.1:6379"), r.validateSentinel()}
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
	if r.WaitReplicas < 0 || r.WaitReplicas > 0 && r.embedded() {
		errs = append(errs, complaint("wait_replicas", r.WaitReplicas, "wants at least 0, and 0 with the embedded server, which has no replicas"))
	}
	if r.Username != "" && r.Password == "" && r.PasswordFile == "" {
		errs = append(errs, complaint("redis.username", r.Username, "wants a password beside it, in redis.password_file or redis.password"))
	}
	if r.embedded() && (r.TLS.Enabled || r.Password != "" || r.PasswordFile != "") { // somebody forgot the address
		errs = append(errs, complaint("redis.addrs", r.Addrs, "wants the address of Redis beside the settings of its TLS or password: the embedded server has none"))
	}
	return errors.Join(append(errs, r.TLS.Validate(), link.CheckSecret("config.redis.password_file", r.Password, r.PasswordFile))...)
}

func (r Redis) validateSentinel() error {
	s := r.Sentinel
	errs := []error{wantAddrs("sentinel.addrs", s.Addrs, "127.0.0.1:26379"), link.CheckSecret("config.sentinel.password_file", s.Password, s.PasswordFile)}
	if len(s.Addrs) == 0 {
		if s.Master != "" || s.Username != "" || s.Password != "" || s.PasswordFile != "" {
			errs = append(errs, complaint("sentinel.addrs", s.Addrs, "wants the address of a sentinel beside the other settings of redis.sentinel"))
		}
		return errors.Join(errs...)
	}
	if s.Master == "" {
		errs = append(errs, complaint("sentinel.master", s.Master, "wants the name of the master as the sentinels know it"))
	}
	if len(r.Addrs) > 0 {
		errs = append(errs, complaint("redis.addrs", r.Addrs, "wants to be empty beside redis.sentinel.addrs: the sentinels say where Redis is"))
	}
	if r.Cluster {
		errs = append(errs, complaint("cluster", r.Cluster, "wants false with sentinels: a cluster watches itself"))
	}
	return errors.Join(errs...)
}

func wantAddrs(field string, addrs []string, example string) error {
	var errs []error
	for _, a := range addrs {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			errs = append(errs, complaint(field, a, "wants host:port, such as "+example))
		}
	}
	return errors.Join(errs...)
}

func (r Redis) embedded() bool { return len(r.Addrs) == 0 && len(r.Sentinel.Addrs) == 0 }

// Where names the servers as an operator would: their addresses, or the master and its sentinels.
func (r Redis) Where() string {
	if len(r.Sentinel.Addrs) > 0 {
		return "master " + r.Sentinel.Master + " of the sentinels " + strings.Join(r.Sentinel.Addrs, ",")
	}
	return strings.Join(r.Addrs, ",")
}

// At returns r for one server in plain text without logins: the embedded one.
func (r Redis) At(addr string) Redis {
	plain := DefaultRedis()
	plain.Addrs, plain.DB, plain.Prefix, plain.Timeout, plain.PoolSize = []string{addr}, r.DB, r.Prefix, r.Timeout, r.PoolSize
	return plain
}

// Replicas is how safe the writes of ingest must be. It waits for half as long as the client would for any answer.
func (r Redis) Replicas() replicas.Policy {
	return replicas.Policy{Replicas: r.WaitReplicas, Timeout: max(time.Millisecond, r.Timeout/2)}
}

// Keys is the layout under the prefix.
func (r Redis) Keys() schema.Keys { return schema.NewKeys(r.Prefix) }

// Open returns a client of the servers, which connects when it is first used; tune may change its options. It never retries: the callers do,
// with whole batches. A password file is read anew for each connection, and refusals that settings are to blame for say so.
func (r Redis) Open(tune ...func(*redis.UniversalOptions)) (redis.UniversalClient, error) {
	opts, err := r.options()
	if err != nil {
		return nil, err
	}
	for _, t := range tune {
		t(opts)
	}
	opts.Dialer = link.NewDialer("redis", r.TLS, opts.DialTimeout).Dial // TLS is below go-redis, as it is below kafka-go
	client := redis.NewUniversalClient(opts)
	client.AddHook(explainer{r})
	return client, nil
}

func (r Redis) options() (*redis.UniversalOptions, error) {
	opts := &redis.UniversalOptions{
		Addrs: r.Addrs, Username: r.Username, Password: r.Password.Reveal(), DB: r.DB, IsClusterMode: r.Cluster,
		DialTimeout: r.Timeout, ReadTimeout: r.Timeout, WriteTimeout: r.Timeout, PoolSize: r.PoolSize,
		MaxRetries: -1, ClientName: "softrec", DisableIdentity: true,
	}
	if r.PasswordFile != "" {
		opts.CredentialsProviderContext = func(context.Context) (string, string, error) {
			password, err := link.ReadSecret("", r.PasswordFile)
			if err != nil {
				err = complaint("redis.password_file", r.PasswordFile, err.Error())
			}
			return r.Username, password.Reveal(), err
		}
	}
	if s := r.Sentinel; len(s.Addrs) > 0 {
		password, err := link.ReadSecret(s.Password, s.PasswordFile)
		if err != nil {
			return nil, complaint("sentinel.password_file", s.PasswordFile, err.Error())
		}
		opts.Addrs, opts.MasterName, opts.SentinelUsername, opts.SentinelPassword = s.Addrs, s.Master, s.Username, password.Reveal()
	}
	return opts, nil
}
