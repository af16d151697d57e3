package cli

import (
	"encoding/base64"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
)

// project reads compose.yaml by the compose specification's own library, which also checks it against the schema.
func project(t *testing.T) *types.Project { return projectWith(t, types.Mapping{}) }

// projectWith does so with variables of the shell.
func projectWith(t *testing.T, environment types.Mapping) *types.Project {
	t.Helper()
	name := filepath.Join(root, "compose.yaml")
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: root, ConfigFiles: []types.ConfigFile{{Filename: name}}, Environment: environment,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every softrec command of compose.yaml must be one that this binary accepts, with its flags and their values.
func TestCompose_commandsAreReal(t *testing.T) {
	want := map[string]int{"ingest": 2, "train": 1, "serve": 2}
	for name, s := range project(t).Services {
		if s.Build == nil {
			continue
		}
		if err := parse(t, s.Command); err != nil {
			t.Errorf("service %s: softrec %s: %v", name, strings.Join(s.Command, " "), err)
		}
		if !exists(filepath.Join(s.Build.Context, s.Build.Dockerfile)) {
			t.Errorf("service %s: no %s", name, s.Build.Dockerfile)
		}
		if got := s.GetScale(); s.Command[0] != name || got != want[name] {
			t.Errorf("service %s: %d of softrec %s, want %d of the same name", name, got, s.Command[0], want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing roles: %v", want)
	}
}

// processes loads the configuration that each service of softrec has under variables of the shell, and checks it.
func processes(t *testing.T, environment types.Mapping, check func(service string, c config.Config)) {
	t.Helper()
	looked := 0
	for name, s := range projectWith(t, environment).Services {
		if s.Build == nil {
			continue
		}
		looked++
		var env []string
		for key, value := range s.Environment {
			env = append(env, key+"="+*value)
		}
		loaded, err := config.Load(config.Sources{Environ: env})
		if err != nil {
			t.Errorf("service %s: %v", name, err)
			continue
		}
		check(name, loaded.Config)
	}
	if looked != 3 {
		t.Errorf("%d processes were looked at, want 3", looked)
	}
}

// Traces are off until the shell names a collector; then every process of softrec sends its spans there.
func TestCompose_traces(t *testing.T) {
	for _, endpoint := range []string{"", "http://collector:4318"} {
		processes(t, types.Mapping{"SOFTREC_TRACE_ENDPOINT": endpoint}, func(service string, c config.Config) {
			if got := c.Trace.Endpoint; got != endpoint {
				t.Errorf("service %s sends traces to %q, want %q", service, got, endpoint)
			}
		})
	}
}

// Attribution is off until the shell says otherwise; then every process of softrec hears of it.
func TestCompose_attribution(t *testing.T) {
	for set, want := range map[string]bool{"": false, "true": true} {
		vars := types.Mapping{}
		if set != "" {
			vars["SOFTREC_ATTRIBUTION_ENABLED"] = set
		}
		processes(t, vars, func(service string, c config.Config) {
			if got := c.Attribution.Enabled; got != want {
				t.Errorf("service %s: attribution is %v, want %v", service, got, want)
			}
		})
	}
}

func TestCompose_holdsTogether(t *testing.T) {
	p := project(t)
	published := map[string]string{}
	for name, s := range p.Services {
		repository, tag, ok := strings.Cut(s.Image, ":")
		if !ok || tag == "latest" || repository == "" {
			t.Errorf("service %s: image %q is not pinned", name, s.Image)
		}
		for _, v := range s.Volumes {
			if _, ok := p.Volumes[v.Source]; !ok {
				t.Errorf("service %s: volume %q is not declared", name, v.Source)
			}
		}
		for _, c := range s.Configs {
			file := p.Configs[c.Source].File
			if !exists(file) {
				t.Errorf("service %s: config %q: no file %q", name, c.Source, file)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("service %s: port %s is open to all networks", name, port.Published)
			}
			if other, taken := published[port.Published]; taken || s.GetScale() > 1 {
				t.Errorf("service %s: port %s is published twice (%s)", name, port.Published, other)
			}
			published[port.Published] = name
		}
	}
}

// What the files name must be mounted where they look for it.
func TestCompose_filesAreMounted(t *testing.T) {
	p := project(t)
	mounted := func(service, target string) bool {
		return slices.ContainsFunc(p.Services[service].Configs, func(c types.ServiceConfigObjConfig) bool { return c.Target == target })
	}
	var scrape struct {
		Rules []string `yaml:"rule_files"`
	}
	if err := yaml.Unmarshal([]byte(read(t, prometheusFile)), &scrape); err != nil {
		t.Fatal(err)
	}
	for _, rules := range scrape.Rules {
		if !mounted("prometheus", rules) {
			t.Errorf("prometheus.yml names %s, which is not mounted", rules)
		}
	}
	if board := p.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]; board == nil || !mounted("grafana", *board) {
		t.Error("Grafana's first board is not mounted")
	}
}

// The port in front lets gRPC and the longest request through, and no trace of a stranger's.
func TestCompose_portInFront(t *testing.T) {
	conf := read(t, nginxFile)
	for line, why := range map[string]string{
		`proxy_set_header traceparent "";`: "strangers choose what is traced", `proxy_set_header tracestate "";`: "strangers write into traces",
		`grpc_set_header traceparent "";`: "strangers choose what is traced", `grpc_set_header tracestate "";`: "strangers write into traces",
		"http2 on;": "no gRPC through the port in front", "grpc_pass grpc://calls;": "no gRPC through the port in front",
		"large_client_header_buffers 4 64k;": "the token of a late page does not pass",
	} {
		if !strings.Contains(conf, line) {
			t.Errorf("nginx: %s: without %q", why, line)
		}
	}
	if longest := base64.RawURLEncoding.EncodedLen(1+8+8*rules.MaxServed+4) + len("GET /v1/recommend/?after= HTTP/1.1") + 3*schema.MaxIDLen; longest > 64<<10 {
		t.Errorf("the line of a request with the longest token has %d bytes, nginx takes %d", longest, 64<<10)
	}
}
