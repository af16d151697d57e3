package app

import (
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// Producer writes to the app's Kafka.
func (a *App) Producer() *broker.Producer { return a.producer }

// Redis is the app's client.
func (a *App) Redis() redis.UniversalClient { return a.rdb }

// Keys is the app's layout in Redis.
func (a *App) Keys() schema.Keys { return a.cfg.Redis.Keys() }

// URL is where the API and the page are, for example "http://127.0.0.1:8080". It is an error without the role Serve.
func (a *App) URL() (string, error) {
	if a.server == nil {
		return "", fmt.Errorf("this process does not serve")
	}
	scheme := "http://"
	if a.cfg.Serve.TLS.On() {
		scheme = "https://"
	}
	return scheme + a.server.Addr().String(), nil
}
