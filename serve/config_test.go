package serve

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

func TestConfig_defaultIsValidAndDescribed(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	typ := reflect.TypeFor[Config]()
	for i := range typ.NumField() {
		if f := typ.Field(i); f.Type.Kind() != reflect.Struct && (f.Tag.Get("koanf") == "" || !strings.Contains(f.Tag.Get("help"), "(default ")) {
			t.Errorf("field %s lacks its name or its help with the default", f.Name)
		}
	}
}

func TestConfig_everyFaultIsNamed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`serve.listen "8080"`:          func(c *Config) { c.Listen = "8080" },
		`serve.admin_listen ""`:        func(c *Config) { c.AdminListen = "" },
		`serve.read_timeout 0s`:        func(c *Config) { c.ReadTimeout = 0 },
		`serve.redis_timeout -1s`:      func(c *Config) { c.RedisTimeout = -time.Second },
		`serve.drain_delay -1s`:        func(c *Config) { c.DrainDelay = -time.Second },
		`serve.write_timeout 5s`:       func(c *Config) { c.WriteTimeout = 5 * time.Second },
		`serve.read_timeout 12s`:       func(c *Config) { c.ReadTimeout = 12 * time.Second },
		`serve.max_body_bytes 10`:      func(c *Config) { c.MaxBodyBytes = 10 },
		`serve.max_body_bytes 4194305`: func(c *Config) { c.MaxBodyBytes = schema.MaxBodyBytes + 1 },
		`serve.max_header_bytes 1`:     func(c *Config) { c.MaxHeaderBytes = 1 },
		`serve.default_items 1001`:     func(c *Config) { c.DefaultItems = schema.MaxAnswerItems + 1 },
		`serve.cache_items -1`:         func(c *Config) { c.CacheItems = -1 },
		`serve.breaker_failures 0`:     func(c *Config) { c.BreakerFailures = 0 },
		`serve.live_subscribers -1`:    func(c *Config) { c.LiveSubscribers = -1 },
		`serve.live_heartbeat 0s`:      func(c *Config) { c.LiveHeartbeat = 0 },
		`serve.model_share 0.001`:      func(c *Config) { c.ModelShare = 0.001 },
		`serve.model_share 1.1`:        func(c *Config) { c.ModelShare = 1.1 },
		`serve.catalogue_poll 0s`:      func(c *Config) { c.CataloguePoll = 0 },
		`serve.breaker_cooldown 0s`:    func(c *Config) { c.BreakerCooldown = 0 },
		`serve.read_header_timeout 0`:  func(c *Config) { c.ReadHeaderTimeout = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want a fault naming %s, got %v", want, err)
		}
	}
	if _, err := New(Config{}, Deps{}); err == nil || !strings.Contains(err.Error(), "Deps.Redis is required") || !strings.Contains(err.Error(), "serve.listen") {
		t.Errorf("new without anything: %v", err)
	}
}

func TestCache_isBounded(t *testing.T) {
	c := newCache(25)
	list := func(n int) []schema.AnswerItem { return make([]schema.AnswerItem, n) }
	key := func(i int64) cacheKey { return cacheKey{user: "u", window: i} }
	c.put(key(0), list(26))
	if _, ok := c.get(key(0)); ok {
		t.Error("a list larger than the cache was kept")
	}
	c.put(key(1), list(10))
	c.put(key(2), list(10))
	c.get(key(1))
	c.put(key(3), list(10)) // makes room by dropping 2, the least recently asked
	for i, want := range map[int64]bool{1: true, 2: false, 3: true} {
		if _, ok := c.get(key(i)); ok != want {
			t.Errorf("key %d: kept %v, want %v", i, ok, want)
		}
	}
	c.put(key(3), list(10))
	for i := range int64(1000) {
		c.put(key(i+10), nil)
	}
	if c.size() > 25 || len(c.byHash) > 25 || len(c.slots) > 1+26 {
		t.Errorf("%d items in %d lists", c.size(), len(c.byHash))
	}
	off := newCache(0)
	off.put(key(1), list(1))
	if _, ok := off.get(key(1)); ok {
		t.Error("a cache of 0 keeps lists")
	}
}

// A long exclude list is part of the key and must not be kept for free.
func TestCache_countsItsKeys(t *testing.T) {
	c := newCache(1000)
	for i := range 100 {
		c.put(cacheKey{user: "u", window: int64(i), query: strings.Repeat("x", 100_000)}, make([]schema.AnswerItem, 1))
	}
	if n := len(c.byHash); n == 0 || n*100_000 > 1000*150 {
		t.Errorf("%d keys of 100 kB in a cache for 150 kB", n)
	}
}

func TestTally(t *testing.T) {
	tl := newTally()
	now := testStart
	for range 5 {
		for range 20 {
			tl.add(now, 2*time.Millisecond, false, true)
		}
		now = now.Add(time.Second)
	}
	tl.add(now, time.Hour, true, true)
	got := tl.read(now)
	if got.requests != 101 || got.failed != 1 || got.rate != 10 || got.p50 < 1.9 || got.p50 > 2.1 {
		t.Errorf("%+v", got)
	}
	if got := tl.read(now.Add(time.Hour)); got.rate != 0 || got.requests != 101 {
		t.Errorf("an hour later: %+v", got)
	}
	for i := range 10 {
		now = now.Add(time.Hour + time.Duration(i)*rotateSeconds*time.Second)
		got = tl.read(now)
	}
	if got.p99 != 0 {
		t.Errorf("old times are still in the quantiles: %+v", got)
	}
}
