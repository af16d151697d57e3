package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/softrec/softrec/serve/access"
)

// Files of the deployment, below the top level.
const (
	composeFile    = "compose.yaml"
	nginxFile      = "docs/deploy/nginx/default.conf"
	prometheusFile = "docs/deploy/prometheus/prometheus.yml"
	sourceFile     = "docs/deploy/grafana/datasource.yml"
	deployPage     = "docs/deploy/README.md"
	helpersFile    = chart + "/templates/_helpers.tpl"
)

// overlay is texts that stand in place of files of the same names.
type overlay map[string]string

func (o overlay) read(t *testing.T, name string) string {
	t.Helper()
	if text, ok := o[filepath.ToSlash(name)]; ok {
		return text
	}
	return read(t, name)
}

// network is what the containers of compose.yaml open and reach of one another.
type network struct {
	t        *testing.T
	files    overlay
	services types.Services
	opens    map[string][]string // ports by service
	reach    map[string][]string // ports that others may ask for, by service
	faults   []string
}

func (n *network) fault(format string, args ...any) {
	n.faults = append(n.faults, fmt.Sprintf(format, args...))
}

// addressFaults follows every address of the deployment to a port that somebody opens, and says where nobody does.
func addressFaults(t *testing.T, files overlay) []string {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: root, Environment: types.Mapping{},
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, composeFile), Content: []byte(files.read(t, composeFile))}}})
	if err != nil {
		return []string{err.Error()}
	}
	n := &network{t: t, files: files, services: p.Services, opens: map[string][]string{}, reach: map[string][]string{}}
	for name, s := range p.Services {
		n.opens[name] = n.portsOf(name, s)
		n.reach[name] = n.opens[name]
	}
	n.kafka()
	n.redis()
	n.published()
	n.nginx()
	n.prometheus()
	n.addresses()
	return n.faults
}

// portsOf are the ports that a service opens, by what its own program is told or does by itself.
func (n *network) portsOf(name string, s types.ServiceConfig) (ports []string) {
	flag := func(name, otherwise string) string {
		for i, word := range s.Command {
			if word == name && i+1 < len(s.Command) {
				return s.Command[i+1]
			}
			if value, ok := strings.CutPrefix(word, name+"="); ok {
				return value
			}
		}
		return otherwise
	}
	port := func(address string) string { return address[strings.LastIndex(address, ":")+1:] }
	switch {
	case s.Build != nil:
		for _, f := range []string{"--serve-listen", "--serve-admin-listen", "--admin-listen"} {
			if at := flag(f, ""); at != "" {
				ports = append(ports, port(at))
			}
		}
	case name == "kafka":
		for _, l := range n.listeners("KAFKA_LISTENERS") {
			ports = append(ports, l.port)
		}
	case name == "redis":
		ports = append(ports, flag("--port", "6379"))
	case name == "gateway":
		for _, m := range regexp.MustCompile(`(?m)^\s*listen\s+(\d+);`).FindAllStringSubmatch(n.files.read(n.t, nginxFile), -1) {
			ports = append(ports, m[1])
		}
	case name == "prometheus":
		ports = append(ports, port(flag("--web.listen-address", ":9090")))
	case name == "grafana":
		at := "3000"
		if set := s.Environment["GF_SERVER_HTTP_PORT"]; set != nil {
			at = *set
		}
		ports = append(ports, at)
	default:
		n.fault("service %s: nobody knows its ports", name)
	}
	return ports
}

// listener is one entry of Kafka's lists: NAME://host:port.
type listener struct{ name, host, port string }

func (n *network) listeners(variable string) (all []listener) {
	text := n.kafkaIs(variable)
	for _, entry := range strings.Split(text, ",") {
		u, err := url.Parse(entry)
		if err != nil || u.Port() == "" {
			n.fault("kafka: %s: %q is no listener", variable, entry)
			continue
		}
		all = append(all, listener{strings.ToUpper(u.Scheme), u.Hostname(), u.Port()})
	}
	return all
}

func (n *network) kafkaIs(variable string) string {
	if v := n.services["kafka"].Environment[variable]; v != nil {
		return *v
	}
	return ""
}

// kafka holds Kafka's lists against one another: a client is sent to what is advertised, whatever it asked first.
func (n *network) kafka() {
	open := map[string]listener{}
	for _, l := range n.listeners("KAFKA_LISTENERS") {
		open[l.name] = l
		if !strings.Contains(","+n.kafkaIs("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"), ","+l.name+":") {
			n.fault("kafka: the listener %s has no protocol", l.name)
		}
	}
	reach := []string{}
	for _, l := range n.listeners("KAFKA_ADVERTISED_LISTENERS") {
		if open[l.name].port != l.port {
			n.fault("kafka: %s is advertised at %s:%s and listens on %q", l.name, l.host, l.port, open[l.name].port)
			continue
		}
		switch l.host {
		case "kafka":
			reach = append(reach, l.port)
		case "localhost":
			if !slices.ContainsFunc(n.services["kafka"].Ports, func(p types.ServicePortConfig) bool {
				return p.Published == l.port && strconv.Itoa(int(p.Target)) == l.port
			}) {
				n.fault("kafka: %s is advertised at localhost:%s, which is not published", l.name, l.port)
			}
		default:
			n.fault("kafka: %s is advertised at %q, which is no host here", l.name, l.host)
		}
	}
	if _, ok := open[n.kafkaIs("KAFKA_INTER_BROKER_LISTENER_NAME")]; !ok {
		n.fault("kafka: brokers speak on a listener that is not there")
	}
	control := open[n.kafkaIs("KAFKA_CONTROLLER_LISTENER_NAMES")]
	if want := n.kafkaIs("KAFKA_NODE_ID") + "@localhost:" + control.port; n.kafkaIs("KAFKA_CONTROLLER_QUORUM_VOTERS") != want {
		n.fault("kafka: the controller votes at %s, want %s", n.kafkaIs("KAFKA_CONTROLLER_QUORUM_VOTERS"), want)
	}
	n.reach["kafka"] = reach
}

// redis wants what makes a kill harmless: a log of all writes, and no key that goes by itself.
func (n *network) redis() {
	command := n.services["redis"].Command
	for name, want := range map[string]string{"--appendonly": "yes", "--appendfsync": "everysec", "--maxmemory-policy": "noeviction"} {
		if i := slices.Index(command, name); i < 0 || i+1 >= len(command) || command[i+1] != want {
			n.fault("redis: want %s %s in %v", name, want, command)
		}
	}
}

// published wants every port of this machine to lead to one that is open, and the page to name it.
func (n *network) published() {
	page := n.files.read(n.t, deployPage)
	for name, s := range n.services {
		for _, p := range s.Ports {
			if !slices.Contains(n.opens[name], strconv.Itoa(int(p.Target))) {
				n.fault("service %s: port %s leads to %d, where nothing listens", name, p.Published, p.Target)
			}
			if !regexp.MustCompile(`\b` + p.Published + `\b`).MatchString(page) {
				n.fault("%s does not name port %s of %s", deployPage, p.Published, name)
			}
		}
	}
}

func (n *network) nginx() {
	conf := n.files.read(n.t, nginxFile)
	upstreams := map[string]bool{}
	for _, m := range regexp.MustCompile(`upstream\s+(\S+)\s*\{`).FindAllStringSubmatch(conf, -1) {
		upstreams[m[1]] = true
	}
	backends := regexp.MustCompile(`(?m)^\s*server\s+([\w.-]+):(\d+)`).FindAllStringSubmatch(conf, -1)
	if len(backends) == 0 {
		n.fault("nginx: nobody is behind the port in front")
	}
	api := n.services["serve"].Command
	for _, m := range backends {
		if i := slices.Index(api, "--serve-listen"); m[1] != "serve" || i < 0 || api[i+1] != ":"+m[2] {
			n.fault("nginx: %s:%s is not the API", m[1], m[2])
		}
	}
	for _, m := range regexp.MustCompile(`(?:proxy_pass\s+http|grpc_pass\s+grpc)://([\w.-]+);`).FindAllStringSubmatch(conf, -1) {
		if !upstreams[m[1]] {
			n.fault("nginx: no upstream %s", m[1])
		}
	}
}

func (n *network) prometheus() {
	var scrape struct {
		Jobs []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(n.files.read(n.t, prometheusFile)), &scrape); err != nil {
		n.fault("%v", err)
	}
	var watched []string
	for _, job := range scrape.Jobs {
		for _, dns := range job.DNS {
			for _, name := range dns.Names {
				watched = append(watched, name)
				command := n.services[name].Command
				if i := slices.IndexFunc(command, func(w string) bool { return strings.HasSuffix(w, "admin-listen") }); i < 0 || command[i+1] != ":"+strconv.Itoa(dns.Port) {
					n.fault("Prometheus reads %s:%d, which is no private port", name, dns.Port)
				}
			}
		}
	}
	if slices.Sort(watched); !slices.Equal(watched, []string{"ingest", "serve", "train"}) {
		n.fault("Prometheus reads %v, want the three roles", watched)
	}
}

// addresses follows every host:port that the files name, commands and environments among them, and the comments too.
func (n *network) addresses() {
	named := regexp.MustCompile(`([\w.-]+):(\d{4,5})\b`) // a version of an image is shorter
	roles := 0
	for _, name := range []string{composeFile, nginxFile, prometheusFile, sourceFile, deployPage} {
		for _, m := range named.FindAllStringSubmatch(n.files.read(n.t, name), -1) {
			if ports, ok := n.reach[m[1]]; ok && !slices.Contains(ports, m[2]) {
				n.fault("%s: %s, where nothing listens", name, m[0])
			}
		}
	}
	for name, s := range n.services {
		if s.Build == nil {
			continue
		}
		roles++
		for flag, service := range map[string]string{"--kafka-brokers": "kafka", "--redis-addrs": "redis"} {
			i := slices.Index(s.Command, flag)
			if i < 0 || i+1 >= len(s.Command) {
				n.fault("service %s is told nothing of %s", name, service)
				continue
			}
			host, port, _ := strings.Cut(s.Command[i+1], ":")
			if host != service || !slices.Contains(n.reach[service], port) {
				n.fault("service %s looks for %s at %s", name, service, s.Command[i+1])
			}
		}
	}
	if roles != 3 {
		n.fault("%d roles, want 3", roles)
	}
}

// probeFaults holds the probes of the chart against the private port: its name, and the paths that ask for no key.
func probeFaults(t *testing.T, files overlay) (faults []string) {
	t.Helper()
	objects, err := renderFrom(t, files, servers)
	if err != nil {
		return []string{err.Error()}
	}
	containers := 0
	for _, o := range objects {
		for _, c := range o.Spec.Template.Spec.Containers {
			containers++
			for what, p := range map[string]struct {
				probe *probe
				path  string
			}{"start": {c.Start, "/healthz"}, "live": {c.Live, "/healthz"}, "ready": {c.Ready, "/readyz"}} {
				if p.probe == nil {
					faults = append(faults, fmt.Sprintf("%s: no %s probe", o.Metadata.Name, what))
					continue
				}
				get := p.probe.Get
				_, open := access.AdminNeed(&http.Request{URL: &url.URL{Path: get.Path}})
				if !open || get.Path != p.path {
					faults = append(faults, fmt.Sprintf("%s: the %s probe asks for %q, want %q", o.Metadata.Name, what, get.Path, p.path))
				}
				at := ""
				for _, port := range c.Ports {
					if port.Name == get.Port {
						at = ":" + strconv.Itoa(port.Port)
					}
				}
				if i := slices.IndexFunc(c.Args, func(w string) bool { return strings.HasSuffix(w, "admin-listen") }); i < 0 || at == "" || c.Args[i+1] != at {
					faults = append(faults, fmt.Sprintf("%s: the %s probe asks the port %q (%s), which is not the private one", o.Metadata.Name, what, get.Port, at))
				}
			}
		}
	}
	if containers != 3 {
		faults = append(faults, fmt.Sprintf("%d containers, want 3", containers))
	}
	return faults
}

func TestDeploy_addressesMeet(t *testing.T) {
	for _, fault := range append(addressFaults(t, nil), probeFaults(t, nil)...) {
		t.Error(fault)
	}
}

// Each slip of the pen in one place of one file must be noticed: this is what TestDeploy_addressesMeet is worth.
func TestDeploy_slipsAreNoticed(t *testing.T) {
	for _, slip := range []struct{ file, from, to string }{
		{composeFile, `[ingest, --kafka-brokers, "kafka:9092"`, `[ingest, --kafka-brokers, "kafka:9999"`},
		{composeFile, `[train, --kafka-brokers, "kafka:9092"`, `[train, --kafka-brokers, "kafka:9999"`},
		{composeFile, `[serve, --kafka-brokers, "kafka:9092"`, `[serve, --kafka-brokers, "kafka:9093"`},
		{composeFile, `[serve, --kafka-brokers, "kafka:9092"`, `[serve, --kafka-brokers, "kafak:9092"`},
		{composeFile, `[serve, --kafka-brokers, "kafka:9092", --redis-addrs, "redis:6379"`, `[serve, --kafka-brokers, "kafka:9092", --redis-addrs, "redis:6380"`},
		{composeFile, `wait --kafka-brokers kafka:9092`, `wait --kafka-brokers kafka:9099`},
		{composeFile, `INSIDE://:9092`, `INSIDE://:9095`},
		{composeFile, `OUTSIDE://:29092`, `OUTSIDE://:29093`},
		{composeFile, `INSIDE://kafka:9092`, `INSIDE://kafka:9096`},
		{composeFile, `INSIDE://kafka:9092`, `INSIDE://localhost:9092`},
		{composeFile, `OUTSIDE://localhost:29092`, `OUTSIDE://localhost:29093`},
		{composeFile, `1@localhost:9093`, `1@localhost:9094`},
		{composeFile, `CONTROLLER://:9093`, `CONTROLLER://:9094`},
		{composeFile, `127.0.0.1:29092:29092`, `127.0.0.1:29092:29093`},
		{composeFile, `127.0.0.1:29092:29092`, `127.0.0.1:29093:29092`},
		{composeFile, `127.0.0.1:8080:8080`, `127.0.0.1:8080:8081`},
		{composeFile, `127.0.0.1:8080:8080`, `127.0.0.1:8088:8080`},
		{composeFile, `127.0.0.1:9099:9090`, `127.0.0.1:9099:9091`},
		{composeFile, `127.0.0.1:3000:3000`, `127.0.0.1:3000:3001`},
		{composeFile, `--maxmemory-policy, noeviction`, `--maxmemory-policy, allkeys-lru`},
		{composeFile, `--appendonly, "yes"`, `--appendonly, "no"`},
		{composeFile, `--appendfsync, everysec`, `--appendfsync, "no"`},
		{composeFile, `--serve-listen, ":8080"`, `--serve-listen, ":8081"`},
		{composeFile, `--serve-admin-listen, ":9090"`, `--serve-admin-listen, ":9091"`},
		{composeFile, `--models-dir, /data/models, --admin-listen, ":9090"`, `--models-dir, /data/models, --admin-listen, ":9091"`},
		{nginxFile, `listen 8080;`, `listen 8081;`},
		{nginxFile, `server serve:8080`, `server serve:9090`},
		{nginxFile, `server serve:8080`, `server ingest:9090`},
		{nginxFile, `upstream serve {`, `upstream server {`},
		{nginxFile, `upstream calls {`, `upstream call {`},
		{prometheusFile, `port: 9090`, `port: 8080`},
		{prometheusFile, `[ingest, train, serve]`, `[ingest, train]`},
		{sourceFile, `http://prometheus:9090`, `http://prometheus:9099`},
		{deployPage, `--redis-addrs redis:6379`, `--redis-addrs redis:6380`},
		{deployPage, `Prometheus on 9099`, `Prometheus on 9098`},
		{helpersFile, `path: /readyz`, `path: /readyzz`},
		{helpersFile, `path: /readyz`, `path: /healthz`},
		{helpersFile, "livenessProbe:\n  httpGet: {path: /healthz", "livenessProbe:\n  httpGet: {path: /health"},
		{helpersFile, "startupProbe:\n  httpGet: {path: /healthz", "startupProbe:\n  httpGet: {path: /metrics"},
		{helpersFile, `path: /readyz, port: admin`, `path: /readyz, port: http`},
		{helpersFile, `containerPort: 9090`, `containerPort: 9091`},
	} {
		text := read(t, slip.file)
		if !strings.Contains(text, slip.from) {
			t.Errorf("%s does not say %q", slip.file, slip.from)
			continue
		}
		files := overlay{slip.file: strings.Replace(text, slip.from, slip.to, 1)}
		faults := addressFaults
		if slip.file == helpersFile {
			faults = probeFaults
		}
		if len(faults(t, files)) == 0 {
			t.Errorf("%s: %q in place of %q goes unnoticed", slip.file, slip.to, slip.from)
		}
	}
}
