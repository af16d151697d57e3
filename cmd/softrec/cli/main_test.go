package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the top folder of the repository, seen from here.
var root = filepath.Join("..", "..", "..")

// softrec runs one command line and returns what it wrote.
func softrec(t *testing.T, environ []string, args ...string) (string, error) {
	t.Helper()
	var out, logs bytes.Buffer
	cmd, err := New(Env{Environ: environ, Out: &out, Err: &logs, Version: "v0.0.0-test"})
	if err != nil {
		t.Fatal(err)
	}
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCommands_endWithoutWork(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string // of the output, or of the error when it begins with "!"
	}{
		"version":           {[]string{"version"}, "softrec v0.0.0-test ("},
		"help":              {[]string{"--help"}, "demo        Show everything"},
		"no such command":   {[]string{"dmeo"}, "!unknown command"},
		"no such flag":      {[]string{"all", "--kafka-broker", "x"}, "!unknown flag: --kafka-broker"},
		"a group":           {[]string{"models"}, "!name one of its commands: export, list, promote, rollback, show"},
		"config check":      {[]string{"config", "check"}, "ok\n"},
		"bad config":        {[]string{"config", "check", "--redis-db", "x", "--log-level", "loud"}, "!redis.db \"x\": wants a whole number (flag --redis-db)\nlog.level \"loud\": wants debug, info, warn or error (flag --log-level)"},
		"check: one server": {[]string{"config", "check", "--kafka-brokers", "x:1"}, "!redis.addrs is empty: name both"},
		"check: nowhere":    {[]string{"config", "check", "--kafka-sasl-mechanism", "plain", "--kafka-sasl-username", "u", "--kafka-sasl-password", "p"}, "!kafka.brokers is empty, but kafka.tls or kafka.sasl is set"},
		"check: topics":     {[]string{"config", "check", "--attribution-enabled", "--attribution-topic", "softrec.items"}, "!attribution.topic \"softrec.items\": want a topic that has no other use"},
		"check: learner":    {[]string{"config", "check", "--learner", "text"}, "!text.model is empty"},
		"config print":      {[]string{"config", "print", "--redis-addrs", "x:1", "--redis-password", "opensesame"}, "password: '***' # from flag --redis-password"},
		"missing file":      {[]string{"all", "--config", "no-such.yaml"}, "!no such file"},
		"replay of nothing": {[]string{"replay", "--kafka-brokers", "x:1"}, "!nothing to send"},
		"replay to nowhere": {[]string{"replay", "--interactions", "x.tsv"}, "!nowhere to send"},
		"wait for nothing":  {[]string{"wait"}, "!nothing to wait for"},
		"role by itself":    {[]string{"ingest"}, "!kafka.brokers is empty"},
		"models of nobody":  {[]string{"models", "list"}, "!no snapshots"},
		"endless demo":      {[]string{"demo", "--headless"}, "!--for 0s: want more than 0s with --headless"},
		"demo on servers":   {[]string{"demo", "--kafka-brokers", "x:1"}, "!servers of its own"},
		"demo with keys":    {[]string{"demo", "--serve-access-keys-file", "keys.json"}, "!serve.access.keys_file \"keys.json\": the demo asks without a key"},
		"demo with TLS":     {[]string{"bench", "round", "--serve-tls-cert-file", "c.pem", "--serve-tls-key-file", "k.pem"}, "!serve.tls.cert_file \"c.pem\": the demo asks in plain HTTP"},
		"short forms":       {[]string{"chaos", "--kafka", "x:1", "--redis", "x:1", "--redis-password", "p", "--events", "1"}, "!--events 1: want"}, // not that there is no address
		"short forms again": {[]string{"bench", "ingest", "--kafka", "x:1", "--redis", "x:1", "--redis-username", "u", "--redis-password", "p", "--redis-wait-replicas", "1", "--events", "1"}, "!--events 1: want"},
		"a bad short form":  {[]string{"chaos", "--kafka", "x:1", "--redis", "x"}, "!redis.addrs \"x\": wants host:port, such as 127.0.0.1:6379 (flag --redis-addrs)"},
		"check of nothing":  {[]string{"demo", "check", "no-such.json"}, "!no such file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := softrec(t, nil, c.args...)
			want, fails := strings.CutPrefix(c.want, "!")
			switch {
			case fails && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("error %v, want %q in it", err, want)
			case !fails && (err != nil || !strings.Contains(out, want)):
				t.Errorf("output %q, error %v, want %q", out, err, want)
			}
		})
	}
}

func TestConfig_fileByVariable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "softrec.yaml")
	if err := os.WriteFile(path, []byte("window: {len: 7}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := softrec(t, []string{"SOFTREC_CONFIG=" + path, "SOFTREC_PJRT_PLUGIN=none"}, "config", "print")
	if err != nil || !strings.Contains(out, "len: 7 # from file "+path) || !strings.Contains(out, "pjrt_plugin: none # from variable SOFTREC_PJRT_PLUGIN") {
		t.Errorf("%v\n%s", err, out)
	}
}
