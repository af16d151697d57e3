package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/softrec/softrec/ingest/embedded"
)

// servers are the Kafka and the Redis of a run: somebody else's, two processes of its own, or the embedded pair in one.
type servers struct {
	about              string
	brokers            []string // of the run's own
	redisAddr          string
	kafka, redis, pair *part // nil where they are not the run's own
}

// parts are those processes, in the order of starting.
func (s servers) parts() []*part {
	var all []*part
	for _, p := range []*part{s.redis, s.kafka, s.pair} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// Addresses is what the process of the embedded pair says first, as a line of JSON.
type Addresses struct {
	Brokers []string `json:"brokers"`
	Redis   string   `json:"redis"`
}

// Serve is the process of the embedded pair, in memory: it tells its addresses on out and runs until ctx is done.
func Serve(ctx context.Context, cfg embedded.Config, out io.Writer) error {
	s, err := embedded.Start(cfg)
	if err != nil {
		return err
	}
	line, err := json.Marshal(Addresses{s.Brokers(), s.RedisAddr()})
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", line)
	}
	if err == nil {
		err = s.Run(ctx)
	}
	return errors.Join(err, s.Close())
}

// startPair starts the embedded pair in a process of its own.
func (r *run) startPair(ctx context.Context) error {
	p := r.part("servers", "chaos", "servers")
	r.servers = servers{about: "the embedded pair", pair: p}
	if err := p.start(); err != nil {
		return err
	}
	return until(ctx, "addresses of the embedded pair", r.o.Patience, func(context.Context) (bool, error) {
		line, _, whole := strings.Cut(p.said(), "\n")
		var a Addresses
		if !whole || json.Unmarshal([]byte(line), &a) != nil {
			return false, nil
		}
		r.servers.brokers, r.servers.redisAddr = a.Brokers, a.Redis
		return true, nil
	})
}

// startReal starts Kafka from its jars and Redis, on free loopback ports, with their data below the run's folder.
func (r *run) startReal(ctx context.Context) error {
	kafkaPort, controllerPort, redisPort, err := freePorts()
	if err != nil {
		return err
	}
	redisDir := filepath.Join(r.dir, "redis")
	if err := os.MkdirAll(redisDir, 0o755); err != nil {
		return fmt.Errorf("folder of redis: %w", err)
	}
	settings := filepath.Join(r.dir, "kafka.properties")
	text := kafkaProperties(kafkaPort, controllerPort, filepath.Join(r.dir, "kafka"))
	if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
		return fmt.Errorf("settings of kafka: %w", err)
	}
	libs, err := filepath.Abs(r.o.KafkaLibs)
	if err != nil {
		return err
	}
	java := func(args ...string) *exec.Cmd {
		return exec.Command(r.o.Java, append([]string{"-XX:+UseSerialGC", "-Xmx384m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(libs, "*")}, args...)...) // #nosec G204 -- the command is the program itself or the one that the operator names
	}
	format := java("kafka.tools.StorageTool", "format", "-t", "5L6g3nShT-eMCtK--X86sw", "-c", settings)
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("make kafka's data folder with the jars in %q: %w\n%s", r.o.KafkaLibs, err, out)
	}
	r.servers = servers{
		about:   "kafka and redis of its own",
		brokers: []string{"127.0.0.1:" + strconv.Itoa(kafkaPort)}, redisAddr: "127.0.0.1:" + strconv.Itoa(redisPort),
		kafka: r.partOf("kafka", func() *exec.Cmd { return java("kafka.Kafka", settings) }),
		redis: r.partOf("redis", func() *exec.Cmd {
			// #nosec G204 -- the operator names the server
			return exec.Command(r.o.Redis, "--port", strconv.Itoa(redisPort), "--bind", "127.0.0.1", "--dir", redisDir,
				"--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
		}),
	}
	for _, p := range r.servers.parts() {
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

// freePorts are three loopback ports that nobody listens on now.
func freePorts() (a, b, c int, err error) {
	var ports [3]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, 0, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], ports[2], nil
}

// kafkaProperties is one broker with its controller. Its log is kept for ever; a killed member is given up after a second at
// the earliest, so that a run can ask for short sessions.
func kafkaProperties(port, controller int, dir string) string {
	at, ctl := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", controller)
	return strings.Join([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@" + ctl, "controller.listener.names=CONTROLLER",
		"listeners=BROKER://" + at + ",CONTROLLER://" + ctl, "advertised.listeners=BROKER://" + at, "inter.broker.listener.name=BROKER",
		"listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT", "log.dirs=" + filepath.ToSlash(dir),
		"offsets.topic.replication.factor=1", "offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "transaction.state.log.num.partitions=1",
		"share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1", "share.coordinator.state.topic.num.partitions=1",
		"group.initial.rebalance.delay.ms=0", "group.min.session.timeout.ms=1000", "auto.create.topics.enable=false",
		"broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500", "log.retention.ms=-1",
		"log.cleaner.enable=false", "log.cleaner.dedupe.buffer.size=8388608", "num.network.threads=2", "num.io.threads=4", "",
	}, "\n")
}

// graceful is how long a part of softrec's may take to end in order.
const graceful = time.Minute
