package config

import (
	"errors"

	"github.com/softrec/softrec/cmd/softrec/telemetry"
	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/serve/access"
	"github.com/softrec/softrec/serve/certs"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/textlive"
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

	Attribution attribution.Config `koanf:"attribution"`

	Trainer trainer.Config   `koanf:"trainer" bare:"learner"`
	Text    Text             `koanf:"text" bare:"model"`
	Backend backend.Config   `koanf:"backend" bare:"pjrt_plugin"`
	Serve   serve.Config     `koanf:"serve" bare:"answer_budget"`
	Admin   Admin            `koanf:"admin"`
	Trace   telemetry.Config `koanf:"trace"`
}

// Models says where model snapshots are kept. Trainer and servers need the same folder, or copies of it.
type Models struct {
	Dir string `koanf:"dir" help:"folder of the model snapshots; empty means models below data_dir"`
}

// Text is the language model of the text learner. Trainer and servers need the same one.
type Text struct {
	Model   string                 `koanf:"model" help:"language model of the text learner: a Hugging Face folder, or hf:owner/name[@revision] to download it; empty means none"`
	Adapter string                 `koanf:"adapter" help:"folder of a LoRA adapter that the PEFT library saved: tuning starts from it where no round has tuned the language model yet; empty means a fresh one"`
	Cache   string                 `koanf:"cache" help:"folder that downloaded models are kept in; empty means softrec/models in the user's cache folder"`
	Offline bool                   `koanf:"offline" help:"never ask the network for a model: hf: names what the cache holds (default false)"`
	Live    textlive.Config        `koanf:"live"`
	Machine textlive.MachineConfig `koanf:"machine"`
}

// DefaultText has no model, and settings for one of MiniLM's size.
func DefaultText() Text {
	t := Text{Live: textlive.DefaultConfig(), Machine: textlive.DefaultMachineConfig()}
	// A live round has some hundreds of prompts: with the paper's batch and warm-up it would end before it had begun.
	t.Machine.Retrieval.Batch, t.Machine.Retrieval.Optimiser.Warmup = 32, 8
	t.Machine.Generative.Batch, t.Machine.Generative.Optimiser.Warmup = 32, 8
	// XLA runs one program after another: whoever waits for a window to be read waits for the run under way. On two cores four
	// prompts of ten titles take a tenth of a second, 32 more than one.
	t.Machine.Retrieval.MicroBatch, t.Machine.Generative.MicroBatch, t.Machine.Encoder.BatchSize = 4, 4, 8
	return t
}

// Validate reports every fault at once.
func (t Text) Validate() error {
	err := errors.Join(t.Live.Validate(), t.Machine.Validate())
	if t.Adapter != "" && t.Model == "" {
		err = errors.Join(complaint("text.adapter", t.Adapter, "wants text.model too, the model it is for"), err)
	}
	return err
}

// Admin is the private port of a process that does not serve; serve has its own.
type Admin struct {
	Listen string        `koanf:"listen" help:"host:port of health, metrics and profiles of a process without the role serve; empty means none"`
	Hosts  []string      `koanf:"hosts" help:"names, beside localhost and addresses, under which that port is asked where it is on loopback (default none)"`
	Access access.Config `koanf:"access"`
	TLS    certs.Config  `koanf:"tls"`
}

// Validate reports every fault at once.
func (a Admin) Validate() error {
	errs := []error{a.Access.Validate(), a.TLS.Validate()}
	for _, host := range a.Hosts {
		errs = append(errs, access.CheckHost("admin.hosts", host))
	}
	return errors.Join(errs...)
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

		Attribution: attribution.DefaultConfig(),

		Trainer: trainer.DefaultConfig(),
		Text:    DefaultText(),
		Backend: backend.DefaultConfig(),
		Serve:   serve.DefaultConfig(),
		Admin:   Admin{Access: access.DefaultConfig()},
		Trace:   telemetry.DefaultConfig(),
	}
}
