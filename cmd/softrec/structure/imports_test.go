package structure

import (
	"slices"
	"strings"
	"testing"
)

// The libraries the rules speak of.
const (
	kafkaGo = "github.com/segmentio/kafka-go"
	franz   = "github.com/twmb/franz-go"
	goRedis = "github.com/redis/go-redis/v9"
	gomlx   = "github.com/gomlx/gomlx"
	hugging = "github.com/gomlx/go-huggingface" // model folders and tokenizers: no tensors
	huma    = "github.com/danielgtaylor/huma"
	cobra   = "github.com/spf13/cobra"
	koanf   = "github.com/knadh/koanf"
)

// forbidden is an arrow that must not exist, near or far: nothing below from may depend on to.
var forbidden = []struct {
	from, to, why string
	except        []string // packages below from that may
}{
	{from: "schema", to: module + "/ingest", why: "schema is the language of all parts and knows none of them"},
	{from: "schema", to: module + "/trainer", why: "schema is the language of all parts and knows none of them"},
	{from: "schema", to: module + "/serve", why: "schema is the language of all parts and knows none of them"},
	{from: "schema", to: module + "/cmd", why: "schema is the language of all parts and knows none of them"},
	{from: "schema", to: kafkaGo, why: "schema imports no client library, so that everything may import schema"},
	{from: "schema", to: goRedis, why: "schema imports no client library, so that everything may import schema"},
	{from: "ingest", to: module + "/trainer", why: "imports follow the data: ingest comes before the trainer"},
	{from: "ingest", to: module + "/serve", why: "imports follow the data: ingest comes before serve"},
	{from: "ingest", to: module + "/cmd", why: "cmd is wiring: nothing depends on it"},
	{from: "ingest", to: gomlx, why: "ingest must start and run without a tensor library"},
	{from: "trainer", to: module + "/serve", why: "imports follow the data: the trainer comes before serve"},
	{from: "trainer", to: module + "/cmd", why: "cmd is wiring: nothing depends on it"},
	{from: "serve", to: module + "/cmd", why: "cmd is wiring: nothing depends on it"},
	{from: "serve", to: kafkaGo, why: "serve answers without Kafka: what it writes goes through interfaces that cmd fills"},
	{from: "serve", to: franz, why: "serve answers without Kafka: what it writes goes through interfaces that cmd fills"},
	{from: "serve", to: gomlx, why: "serve ranks with plain Go: it must start fast, build without a C compiler and never meet a tensor library's panic"},
	{from: "serve", to: module + "/ingest/broker", why: "serve reads what ingest publishes for readers, never its loops"},
	{from: "serve", to: module + "/trainer/soft", why: "serve reads what the trainer publishes for readers, never its loops"},
	{from: "ingest/window", to: kafkaGo, why: "readers of windows import it and must not get a Kafka client with it"},
	{from: "ingest/catalog", to: kafkaGo, why: "readers of the catalogue import it and must not get a Kafka client with it"},
	{from: "ingest/retry", to: kafkaGo, why: "the one retry decision is about kinds of faults, not about a client"},
	{from: "ingest/retry", to: goRedis, why: "the one retry decision is about kinds of faults, not about a client"},
	{from: "trainer/model", to: gomlx, why: "serve imports the models: only training and language models touch the tensor library", except: tensorPackages},
	{from: "trainer/snapshot", to: gomlx, why: "serve imports snapshots: only training touches the tensor library"},
}

func TestImports_arrows(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range forbidden {
			if !under(p.short(), rule.from) || slices.ContainsFunc(rule.except, func(e string) bool { return under(p.short(), e) }) {
				continue
			}
			for _, dep := range p.Deps {
				if under(dep, rule.to) {
					t.Errorf("%s depends on %s: %s", p.short(), strings.TrimPrefix(dep, module+"/"), rule.why)
					break
				}
			}
		}
	}
}

// tensorPackages compute with tensors: backends, training, and everything around a language model. The pure halves (formats,
// adapters, titles, rankers) are packages of their own.
var tensorPackages = []string{
	"trainer/model/backend", "trainer/model/seqtrain", "trainer/model/lm", "trainer/model/encoder", "trainer/model/decoder",
	"trainer/model/retrieval", "trainer/model/generative", "trainer/model/textlive",
}

// owners says which packages alone may import a library, themselves and not through others.
var owners = []struct {
	library string
	owners  []string
	why     string
}{
	{kafkaGo, []string{"ingest/broker"}, "one adapter holds everything known about the Kafka client"},
	{franz, []string{"ingest/embedded", "ingest/broker"}, "the embedded broker runs on it, and the adapter writes the one request with it that kafka-go does not know"},
	{"github.com/alicebob/miniredis", []string{"ingest/embedded"}, "the embedded Redis is the only use of it"},
	{gomlx, tensorPackages, "an upgrade of a library that moves between minor versions must touch one place"},
	{hugging, []string{"trainer/model/hf", "trainer/model/tokens"}, "one reader of model folders, one of tokenizers"},
	{"github.com/cenkalti/backoff", []string{"ingest/retry", "serve/client"}, "there is one retry policy in softrec, and one in what other programs import"},
	{huma, []string{"serve"}, "the HTTP API is serve's"},
	{cobra, []string{"cmd"}, "only the command line knows that there is one"},
	{koanf, []string{"cmd"}, "parts take plain Config structs and do not know where the values come from"},
	{"github.com/schollz/progressbar", []string{"cmd"}, "parts report numbers; showing them is the command line's work"},
}

func TestImports_owners(t *testing.T) {
	for _, p := range packages(t) {
		for _, rule := range owners {
			if slices.ContainsFunc(rule.owners, func(o string) bool { return under(p.short(), o) }) {
				continue
			}
			for _, imp := range p.Imports {
				if under(imp, rule.library) {
					t.Errorf("%s imports %s, which belongs to %s: %s", p.short(), imp, strings.Join(rule.owners, ", "), rule.why)
				}
			}
		}
	}
}

// pure lists packages that depend on nothing but the standard library and schema.
var pure = map[string]string{
	"schema":       "everything imports it",
	"trainer/soft": "it is the algorithm alone: its tests need no network, no clock and no tensors",
	"trainer/eval": "the figures that decide over models must be checkable by reading",
}

// distributions is the library of probability distributions, with what it is made of; trainer/eval has it besides.
const distributions = "gonum.org/v1/gonum"

func TestImports_pure(t *testing.T) {
	for _, p := range packages(t) {
		why, ok := pure[p.short()]
		if !ok {
			continue
		}
		for _, dep := range p.Deps {
			host, _, _ := strings.Cut(dep, "/")
			if strings.Contains(host, ".") && !under(dep, module+"/schema") && !(p.short() == "trainer/eval" && under(dep, distributions)) {
				t.Errorf("%s depends on %s, but may use the standard library and schema only: %s", p.short(), dep, why)
			}
		}
	}
}

// serve takes what others publish for readers; the loops stand in the packages named here.
func TestImports_serveSeesNoLoop(t *testing.T) {
	loops := []string{module + "/ingest", module + "/trainer"}
	for _, p := range packages(t) {
		if !under(p.short(), "serve") {
			continue
		}
		for _, dep := range p.Deps {
			if slices.Contains(loops, dep) {
				t.Errorf("%s depends on %s: serve reads what a part publishes for readers, never its loop", p.short(), dep)
			}
		}
	}
}
