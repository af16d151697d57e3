package config

import (
	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/backend"
)

// Config is everything softrec can be told. A part's settings are its own Config struct; what each means stands there.
type Config struct {
	DataDir  string          `koanf:"data_dir" help:"folder of everything softrec keeps: the embedded servers' data, the trainer's checkpoint, the models; empty keeps nothing after the end"`
	Log      Log             `koanf:"log"`
	Kafka    broker.Config   `koanf:"kafka"`
	Redis    Redis           `koanf:"redis"`
	Embedded embedded.Config `koanf:"embedded" omit:"data_dir"`
	Models   Models          `koanf:"models"`
	Window   window.Rules    `koanf:"window"`
	Ingest   ingest.Config   `koanf:"ingest"`
	Trainer  trainer.Config  `koanf:"trainer" bare:"learner"`
	Backend  backend.Config  `koanf:"backend" bare:"pjrt_plugin"`
	Serve    serve.Config    `koanf:"serve" bare:"answer_budget"`
	Admin    Admin           `koanf:"admin"`
}

// Models says where model snapshots are kept. Trainer and servers need the same folder, or copies of it.
type Models struct {
	Dir string `koanf:"dir" help:"folder of the model snapshots; empty means models below data_dir"`
}

// Admin is the private port of a process that does not serve; serve has its own.
type Admin struct {
	Listen string `koanf:"listen" help:"host:port of health, metrics and profiles of a process without the role serve; empty means none"`
}

// Default returns the configuration before any layer is applied.
func Default() Config {
	return Config{
		Log:      DefaultLog(),
		Kafka:    broker.DefaultConfig(),
		Redis:    DefaultRedis(),
		Embedded: embedded.DefaultConfig(),
		Window:   window.DefaultRules(),
		Ingest:   ingest.DefaultConfig(),
		Trainer:  trainer.DefaultConfig(),
		Backend:  backend.DefaultConfig(),
		Serve:    serve.DefaultConfig(),
	}
}
