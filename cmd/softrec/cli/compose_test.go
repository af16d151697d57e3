package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose is the part of compose.yaml that the test reads.
type compose struct {
	Services map[string]struct {
		Image   string    `yaml:"image"`
		Build   yaml.Node `yaml:"build"`
		Command []string  `yaml:"command"`
		Volumes []string  `yaml:"volumes"`
		Configs []struct {
			Source string `yaml:"source"`
		} `yaml:"configs"`
		DependsOn []string `yaml:"depends_on"`
	} `yaml:"services"`
	Configs map[string]struct {
		Content string `yaml:"content"`
	} `yaml:"configs"`
	Volumes map[string]any `yaml:"volumes"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every softrec command of compose.yaml must be one that this binary accepts, with its flags and their values.
func TestCompose_commandsAreReal(t *testing.T) {
	roles := 0
	for name, s := range readCompose(t).Services {
		if s.Build.IsZero() {
			continue
		}
		roles++
		if err := parse(t, s.Command); err != nil {
			t.Errorf("service %s: softrec %s: %v", name, strings.Join(s.Command, " "), err)
		}
		var build struct{ Context, Dockerfile string }
		if err := s.Build.Decode(&build); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(root, build.Context, build.Dockerfile)); err != nil {
			t.Errorf("service %s: %v", name, err)
		}
	}
	if roles != 3 {
		t.Errorf("%d services run softrec, want one for each of the 3 roles", roles)
	}
}

func TestCompose_holdsTogether(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		repository, tag, ok := strings.Cut(s.Image, ":")
		if !ok || tag == "latest" || repository == "" {
			t.Errorf("service %s: image %q is not pinned", name, s.Image)
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := c.Volumes[volume]; !ok {
				t.Errorf("service %s: volume %q is not declared", name, volume)
			}
		}
		for _, other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("service %s depends on %q, which is not there", name, other)
			}
		}
		for _, ref := range s.Configs {
			if _, ok := c.Configs[ref.Source]; !ok {
				t.Errorf("service %s: config %q is not declared", name, ref.Source)
			}
		}
	}
	var scrape struct {
		Jobs []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(c.Configs["prometheus"].Content), &scrape); err != nil {
		t.Fatal(err)
	}
	for _, job := range scrape.Jobs {
		for _, targets := range job.Static {
			for _, target := range targets.Targets {
				service, port, _ := strings.Cut(target, ":")
				if command := strings.Join(c.Services[service].Command, " "); !strings.Contains(command, "admin-listen :"+port) {
					t.Errorf("Prometheus reads %s, where the service's command %q does not listen", target, command)
				}
			}
		}
	}
}
