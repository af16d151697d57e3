package chaos

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/broker"
)

// What file and flags have told the run reaches every part, below the part's own flags: the database, logins, TLS. What only one process of a
// machine can have does not.
func TestOpenParts_tellsThemTheSettings(t *testing.T) {
	t.Setenv("SOFTREC_REDIS_DB", "9") // a flag of the run said otherwise
	t.Setenv("SOFTREC_CONFIG", "no-such.yaml")
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Kafka.TLS.Enabled = []string{"kafka:9093"}, true
	cfg.Kafka.SASL = broker.SASL{Mechanism: "scram-sha-512", Username: "u", Password: "opensesame"}
	cfg.Redis.Addrs, cfg.Redis.DB, cfg.Redis.Password, cfg.Redis.Timeout = []string{"redis:6379"}, 3, "simsalabim", 5*time.Second
	cfg.Window.Len, cfg.Ingest.Lanes, cfg.Ingest.Partitions, cfg.Attribution.Enabled = 7, 3, 6, true
	cfg.DataDir, cfg.Admin.Listen, cfg.Serve.Access.KeysFile, cfg.Serve.TLS.CertFile, cfg.Serve.TLS.KeyFile = "data", ":9090", "keys.json", "c.pem", "k.pem"
	r := &run{o: DefaultOptions(), cfg: cfg, dir: t.TempDir(), log: slog.New(slog.DiscardHandler)}
	r.o.Self, r.o.Dir = []string{"softrec-no-such-command"}, r.dir
	r.takeNames("softrec-chaos-1")
	if err := r.tellParts(); err != nil {
		t.Fatal(err)
	}
	if err := r.openParts(); err == nil {
		t.Fatal("a command that is not there was started")
	}
	for _, p := range r.parts() {
		cmd := p.command()
		fs := pflag.NewFlagSet(p.name, pflag.ContinueOnError)
		if err := config.Bind(fs, "", "log", "kafka", "redis", "models", "ingest", "trainer", "backend", "serve"); err != nil {
			t.Fatal(err)
		}
		if err := fs.Parse(cmd.Args[2:]); err != nil {
			t.Fatal(err)
		}
		loaded, err := config.Load(config.Sources{Environ: cmd.Env, Flags: config.Given(fs)})
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		got, want := loaded.Config, r.cfg
		got.Ingest.Instance = want.Ingest.Instance
		got.Kafka.SessionTimeout, got.Kafka.HeartbeatInterval, got.Kafka.RebalanceTimeout = want.Kafka.SessionTimeout, want.Kafka.HeartbeatInterval, want.Kafka.RebalanceTimeout
		for section, d := range map[string]string{
			"kafka": cmp.Diff(want.Kafka, got.Kafka), "redis": cmp.Diff(want.Redis, got.Redis, cmpopts.EquateEmpty()), "window": cmp.Diff(want.Window, got.Window),
			"ingest": cmp.Diff(want.Ingest, got.Ingest), "attribution": cmp.Diff(want.Attribution, got.Attribution), "rounds": cmp.Diff(want.Trainer.RoundsTopic, got.Trainer.RoundsTopic),
		} {
			if d != "" {
				t.Errorf("%s: %s differs (-run +part):\n%s", p.name, section, d)
			}
		}
		if got.DataDir == cfg.DataDir || got.Admin.Listen != "" || got.Serve.Access.KeysFile != "" || got.Serve.TLS.On() || got.Log.Level != "warn" {
			t.Errorf("%s keeps data in %q, listens on %q, asks for %q, TLS %v, log level %s", p.name, got.DataDir, got.Admin.Listen, got.Serve.Access.KeysFile, got.Serve.TLS.On(), got.Log.Level)
		}
		if f, ok := p.out.(io.Closer); ok {
			_ = f.Close()
		}
	}
	if n := len(r.parts()); n != 6 {
		t.Errorf("%d parts, want three ingest, a trainer and two servers", n)
	}
}
