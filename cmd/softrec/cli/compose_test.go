package cli

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/softrec/softrec/cmd/softrec/config"
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

// Traces are off until the shell names a collector; then every process of softrec sends its spans there.
func TestCompose_traces(t *testing.T) {
	for _, endpoint := range []string{"", "http://collector:4318"} {
		processes := 0
		for name, s := range projectWith(t, types.Mapping{"SOFTREC_TRACE_ENDPOINT": endpoint}).Services {
			if s.Build == nil {
				continue
			}
			processes++
			var env []string
			for key, value := range s.Environment {
				env = append(env, key+"="+*value)
			}
			loaded, err := config.Load(config.Sources{Environ: env})
			if err != nil {
				t.Errorf("service %s: %v", name, err)
			} else if got := loaded.Config.Trace.Endpoint; got != endpoint {
				t.Errorf("service %s sends traces to %q, want %q", name, got, endpoint)
			}
		}
		if processes != 3 {
			t.Errorf("%d processes were looked at, want 3", processes)
		}
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
		for _, word := range s.Command { // kafka:9092 and the like
			if host, _, ok := strings.Cut(word, ":"); ok && host != "" && s.Build != nil && !strings.HasPrefix(host, "/") {
				if _, there := p.Services[host]; !there {
					t.Errorf("service %s asks for %q, which is no service", name, word)
				}
			}
		}
	}
}

// listens reports whether a service's command opens port: as its admin port or as the API.
func listens(s types.ServiceConfig, port string) bool {
	return slices.Contains(s.Command, ":"+port)
}

// Prometheus and the port in front must ask where softrec listens.
func TestCompose_portsMeet(t *testing.T) {
	p := project(t)
	var scrape struct {
		Rules []string `yaml:"rule_files"`
		Jobs  []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "docs/deploy/prometheus/prometheus.yml")), &scrape); err != nil {
		t.Fatal(err)
	}
	watched := 0
	for _, job := range scrape.Jobs {
		for _, dns := range job.DNS {
			for _, name := range dns.Names {
				watched++
				if s, ok := p.Services[name]; !ok || !listens(s, strconv.Itoa(dns.Port)) {
					t.Errorf("Prometheus reads %s:%d, where nothing listens", name, dns.Port)
				}
			}
		}
	}
	if watched != 3 {
		t.Errorf("Prometheus reads %d services, want the 3 roles", watched)
	}
	for _, rules := range scrape.Rules {
		if !slices.ContainsFunc(p.Services["prometheus"].Configs, func(c types.ServiceConfigObjConfig) bool { return c.Target == rules }) {
			t.Errorf("prometheus.yml names %s, which is not mounted", rules)
		}
	}
	if conf := read(t, "docs/deploy/nginx/default.conf"); !strings.Contains(conf, "server serve:8080 resolve") || !listens(p.Services["serve"], "8080") {
		t.Error("the port in front does not lead to serve:8080")
	}
	board := p.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if board == nil || !slices.ContainsFunc(p.Services["grafana"].Configs, func(c types.ServiceConfigObjConfig) bool { return c.Target == *board }) {
		t.Error("Grafana's first board is not mounted")
	}
}
