package serve

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
	"github.com/softrec/softrec/serve/certs"
	"github.com/softrec/softrec/serve/shed"
)

// Config configures a Server. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Listen      string `koanf:"listen" help:"host:port of the API and the page (default 127.0.0.1:8080)"`
	AdminListen string `koanf:"admin_listen" help:"host:port of health, metrics and profiles; keep it private (default 127.0.0.1:9090)"`

	ReadHeaderTimeout time.Duration `koanf:"read_header_timeout" help:"longest time a client may take to send its headers (default 5s)"`
	ReadTimeout       time.Duration `koanf:"read_timeout" help:"longest time a client may take to send a whole request (default 15s)"`
	WriteTimeout      time.Duration `koanf:"write_timeout" help:"longest time from the end of the headers to the end of the answer; live streams count per frame (default 30s)"`
	IdleTimeout       time.Duration `koanf:"idle_timeout" help:"how long an idle connection stays open (default 2m)"`
	ShutdownGrace     time.Duration `koanf:"shutdown_grace" help:"how long requests that have come may go on after a stop (default 15s)"`
	DrainDelay        time.Duration `koanf:"drain_delay" help:"how long to go on accepting after /readyz turned 503, for load balancers to notice (default 1s)"`

	MaxBodyBytes   int64 `koanf:"max_body_bytes" help:"largest request body in bytes (default 4194304)"`
	MaxHeaderBytes int   `koanf:"max_header_bytes" help:"largest request header in bytes, which bounds exclude lists (default 131072)"`

	Access  access.Config `koanf:"access"`
	TLS     certs.Config  `koanf:"tls"`
	Shed    shed.Config   `koanf:"shed"`
	Origins []string      `koanf:"origins" help:"origins whose pages may call the API from a browser, such as https://shop.example, or * for all (default none)"`
	Hosts   []string      `koanf:"hosts" help:"names, beside localhost and addresses, under which a server on loopback without keys is asked; the private port on loopback too (default none)"`

	DefaultItems int    `koanf:"default_items" help:"items in an answer when n is not given (default 10)"`
	Arms         string `koanf:"arms" help:"JSON file of the arms of an experiment: who gets which model, ranking or rules (default none)"`
	Placements   string `koanf:"placements" help:"JSON file of named rules for lists, which a request chooses with placement=NAME; default goes for all that choose none (default none)"`

	Impressions ImpressionConfig `koanf:"impressions"`

	CacheItems int `koanf:"cache_items" help:"recommended items kept in cached lists, about 150 bytes each; 0 turns the cache off (default 1200000: 120,000 users who come back)"`

	AnswerBudget time.Duration `koanf:"answer_budget" help:"longest time a request waits for the language model to read a changed window; 0s never waits (default 50ms)"`
	TextQueue    int           `koanf:"text_queue" help:"histories that may wait for the language model, one per user, the newest are read first (default 256)"`
	TextBatch    int           `koanf:"text_batch" help:"histories the language model reads together (default 8)"`
	TextReadings int           `koanf:"text_readings" help:"readings of the language model kept, about 2 KiB each (default 20000)"`

	MaxFuture      time.Duration `koanf:"max_future" help:"how far an event may lie ahead of this server's clock (default 5m)"`
	PublishTimeout time.Duration `koanf:"publish_timeout" help:"how long a write to Kafka may take before the client gets a 503 (default 10s)"`
	VisibleWait    time.Duration `koanf:"visible_wait" help:"how long an item or user change waits to be visible before it answers 202 (default 2s)"`
	VisiblePoll    time.Duration `koanf:"visible_poll" help:"how often that wait looks (default 5ms)"`

	RedisTimeout    time.Duration `koanf:"redis_timeout" help:"longest Redis round trip of one request before it is answered without the window (default 250ms)"`
	BreakerFailures int           `koanf:"breaker_failures" help:"failed round trips in a row that stop asking Redis for breaker_cooldown (default 3)"`
	BreakerCooldown time.Duration `koanf:"breaker_cooldown" help:"how long Redis is left alone before one request tries it again (default 1s)"`

	ModelPoll     time.Duration `koanf:"model_poll" help:"how often the pointer to the live model is read (default 250ms)"`
	ModelShare    float64       `koanf:"model_share" help:"share of one processor that a new model is read with while another one answers; 1 reads it as fast as it can (default 0.25)"`
	CataloguePoll time.Duration `koanf:"catalogue_poll" help:"how often the catalogue is followed without requests (default 1s)"`

	LiveInterval    time.Duration `koanf:"live_interval" help:"how often the poller behind /v1/live reads Redis while someone watches (default 500ms)"`
	LiveHeartbeat   time.Duration `koanf:"live_heartbeat" help:"how often an idle live stream sends a comment line (default 15s)"`
	LiveSubscribers int           `koanf:"live_subscribers" help:"live streams open at once; more get a 503 (default 256)"`
}

// leastShare is the smallest share of a processor that a model is read with: at less a large one would take hours.
const leastShare = 0.01

// liveQueue is how many frames a live stream may lag behind before it is closed.
const liveQueue = 64

// DefaultConfig returns the defaults the help texts name.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:8080", AdminListen: "127.0.0.1:9090",
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, ShutdownGrace: 15 * time.Second, DrainDelay: time.Second,
		MaxBodyBytes: schema.MaxBodyBytes, MaxHeaderBytes: 128 << 10,
		Access: access.DefaultConfig(), Shed: shed.DefaultConfig(),
		Impressions:  DefaultImpressionConfig(),
		DefaultItems: 10, CacheItems: 1_200_000,
		AnswerBudget: 50 * time.Millisecond, TextQueue: 256, TextBatch: 8, TextReadings: 20_000,
		MaxFuture: schema.DefaultMaxFuture, PublishTimeout: 10 * time.Second,
		VisibleWait: 2 * time.Second, VisiblePoll: 5 * time.Millisecond,
		RedisTimeout: 250 * time.Millisecond, BreakerFailures: 3, BreakerCooldown: time.Second,
		ModelPoll: 250 * time.Millisecond, ModelShare: 0.25, CataloguePoll: time.Second,
		LiveInterval: 500 * time.Millisecond, LiveHeartbeat: 15 * time.Second, LiveSubscribers: 256,
	}
}

// Validate reports every fault at once, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	addr := func(field, v string) {
		if _, _, err := net.SplitHostPort(v); err != nil {
			errs = append(errs, fmt.Errorf("serve.%s %q: want host:port: %w", field, v, err))
		}
	}
	addr("listen", c.Listen)
	addr("admin_listen", c.AdminListen)
	for _, d := range []struct {
		field string
		v     time.Duration
	}{
		{"read_header_timeout", c.ReadHeaderTimeout}, {"read_timeout", c.ReadTimeout}, {"write_timeout", c.WriteTimeout},
		{"idle_timeout", c.IdleTimeout}, {"shutdown_grace", c.ShutdownGrace}, {"max_future", c.MaxFuture},
		{"publish_timeout", c.PublishTimeout}, {"visible_wait", c.VisibleWait}, {"visible_poll", c.VisiblePoll},
		{"redis_timeout", c.RedisTimeout}, {"breaker_cooldown", c.BreakerCooldown}, {"model_poll", c.ModelPoll},
		{"catalogue_poll", c.CataloguePoll}, {"live_interval", c.LiveInterval}, {"live_heartbeat", c.LiveHeartbeat},
	} {
		if d.v <= 0 {
			errs = append(errs, fmt.Errorf("serve.%s %s: want more than 0", d.field, d.v))
		}
	}
	for field, v := range map[string]time.Duration{"drain_delay": c.DrainDelay, "answer_budget": c.AnswerBudget} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("serve.%s %s: want at least 0", field, v))
		}
	}
	// net/http ends a request's context at either deadline, also while the handler waits for Kafka.
	need := c.PublishTimeout + c.VisibleWait + 2*c.RedisTimeout
	for field, v := range map[string]time.Duration{"read_timeout": c.ReadTimeout, "write_timeout": c.WriteTimeout} {
		if v > 0 && v <= need {
			errs = append(errs, fmt.Errorf("serve.%s %s: want more than publish_timeout + visible_wait + twice redis_timeout (%s)", field, v, need))
		}
	}
	if !(c.ModelShare >= leastShare && c.ModelShare <= 1) {
		errs = append(errs, fmt.Errorf("serve.model_share %v: want %v to 1", c.ModelShare, leastShare))
	}
	errs = append(errs, c.Access.Validate(), c.TLS.Validate(), c.Shed.Validate(), c.Impressions.Validate())
	for _, origin := range c.Origins {
		errs = append(errs, checkOrigin(origin))
	}
	for _, host := range c.Hosts {
		errs = append(errs, access.CheckHost("serve.hosts", host))
	}
	between := func(field string, v, low, high int64) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("serve.%s %d: want %d to %d", field, v, low, high))
		}
	}
	between("max_body_bytes", c.MaxBodyBytes, schema.MaxItemBytes, schema.MaxBodyBytes)
	between("max_header_bytes", int64(c.MaxHeaderBytes), 4<<10, 16<<20)
	between("default_items", int64(c.DefaultItems), 1, schema.MaxAnswerItems)
	between("cache_items", int64(c.CacheItems), 0, 1<<30)
	between("text_queue", int64(c.TextQueue), 1, 1<<20)
	between("text_batch", int64(c.TextBatch), 1, 1<<10)
	between("text_readings", int64(c.TextReadings), 1, 1<<30)
	between("breaker_failures", int64(c.BreakerFailures), 1, 1<<20)
	between("live_subscribers", int64(c.LiveSubscribers), 0, 1<<20)
	return errors.Join(errs...)
}

// RedisOptions sets in o what a request needs from its Redis client: a context's deadline ends a command that hangs,
// nothing is retried behind a request's back (its answer degrades instead), and a dial is tried once
// and costs no more than a round trip.
func (c Config) RedisOptions(o *redis.UniversalOptions) {
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialTimeout, o.DialerRetries = c.RedisTimeout, 1
	o.ReadTimeout = c.RedisTimeout
	o.WriteTimeout = c.RedisTimeout
	o.PoolTimeout = c.RedisTimeout
}
