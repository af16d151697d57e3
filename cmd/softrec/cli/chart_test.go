package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"go.yaml.in/yaml/v3"

	"github.com/softrec/softrec/cmd/softrec/config"
)

// chart is the folder of the Helm chart.
const chart = "docs/deploy/helm/softrec"

// probe is what a kubelet asks a container.
type probe struct {
	Get struct{ Path, Port string } `yaml:"httpGet"`
}

// object is the part of a Kubernetes object that the tests read.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Replicas *int
		Selector any
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Links      *bool `yaml:"enableServiceLinks"`
				Containers []struct {
					Name  string
					Image string
					Args  []string
					Ports []struct {
						Name string
						Port int `yaml:"containerPort"`
					}
					Mounts []struct{ Name string } `yaml:"volumeMounts"`
					Env    []struct{ Name, Value string }
					Start  *probe `yaml:"startupProbe"`
					Live   *probe `yaml:"livenessProbe"`
					Ready  *probe `yaml:"readinessProbe"`
				}
				Volumes []struct {
					Name  string
					Claim *struct {
						Name string `yaml:"claimName"`
					} `yaml:"persistentVolumeClaim"`
				}
			}
		}
		Ports   []struct{ Port int } // of a Service
		Metrics []struct {
			Pods struct{ Metric struct{ Name string } }
		}
	}
}

// render does what Helm does with a chart's templates: Go's text/template with sprig's functions and four of its own.
func render(t *testing.T, set func(values map[string]any)) ([]object, error) {
	t.Helper()
	return renderFrom(t, nil, set)
}

// renderFrom is render with other texts in place of some files.
func renderFrom(t *testing.T, files overlay, set func(values map[string]any)) ([]object, error) {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(files.read(t, chart+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	set(values)
	var about struct{ Name, Version, AppVersion string }
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(files.read(t, chart+"/Chart.yaml"), "appVersion", "appversion")), &about); err != nil {
		t.Fatal(err)
	}
	all := template.New("chart").Option("missingkey=error")
	all.Funcs(sprig.TxtFuncMap()).Funcs(template.FuncMap{
		"toYaml": func(v any) (string, error) {
			b, err := yaml.Marshal(v)
			return strings.TrimSuffix(string(b), "\n"), err
		},
		"include": func(name string, data any) (string, error) {
			var b strings.Builder
			err := all.ExecuteTemplate(&b, name, data)
			return b.String(), err
		},
		"fail": func(reason string) (string, error) { return "", errors.New(reason) },
	})
	names, err := filepath.Glob(filepath.Join(root, chart, "templates", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		template.Must(all.New(filepath.Base(name)).Parse(files.read(t, filepath.Join(chart, "templates", filepath.Base(name)))))
	}
	var objects []object
	for _, name := range names {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, filepath.Base(name), map[string]any{
			"Values": values, "Chart": map[string]any{"Name": about.Name, "AppVersion": about.AppVersion},
			"Release": map[string]any{"Name": "shop", "Namespace": "default", "Service": "Helm"},
		}); err != nil {
			return nil, err
		}
		for docs := yaml.NewDecoder(&out); ; {
			var o object
			err := docs.Decode(&o)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if o.Kind != "" {
				objects = append(objects, o)
			}
		}
	}
	return objects, nil
}

func servers(values map[string]any) {
	config := values["config"].(map[string]any)
	config["kafka"].(map[string]any)["brokers"] = []string{"kafka:9092"}
	config["redis"].(map[string]any)["addrs"] = []string{"redis:6379"}
}

func TestChart_needsServers(t *testing.T) {
	_, err := render(t, func(map[string]any) {})
	if err == nil || !strings.Contains(err.Error(), "config.kafka.brokers") {
		t.Errorf("got %v, want an error that names the missing setting", err)
	}
}

// Every container of the chart must run a command that this binary accepts, listen where it is asked, and find its volumes.
func TestChart_runsTheBinary(t *testing.T) {
	objects, err := render(t, func(values map[string]any) {
		servers(values)
		for _, role := range []string{"ingest", "serve"} {
			values[role].(map[string]any)["autoscaling"].(map[string]any)["enabled"] = true
		}
		values["serve"].(map[string]any)["ingress"].(map[string]any)["enabled"] = true
		values["prometheus"].(map[string]any)["podMonitor"] = true
		values["secretName"] = "softrec"
		values["access"].(map[string]any)["keysSecret"] = "softrec-keys"
	})
	if err != nil {
		t.Fatal(err)
	}
	known, claims, roles, kinds := series(t), map[string]bool{}, map[string]bool{}, map[string]int{}
	for _, o := range objects {
		kinds[o.Kind]++
		if o.Kind == "PersistentVolumeClaim" {
			claims[o.Metadata.Name] = true
		}
	}
	for _, o := range objects {
		for _, m := range o.Spec.Metrics {
			if name := m.Pods.Metric.Name; name != "" && !known[name] {
				t.Errorf("%s scales by %s, which no process shows", o.Metadata.Name, name)
			}
		}
		volumes := map[string]bool{}
		for _, v := range o.Spec.Template.Spec.Volumes {
			volumes[v.Name] = true
			if v.Claim != nil && !claims[v.Claim.Name] {
				t.Errorf("%s mounts the claim %s, which is not there", o.Metadata.Name, v.Claim.Name)
			}
		}
		for _, c := range o.Spec.Template.Spec.Containers {
			roles[c.Args[0]] = true
			if err := parse(t, c.Args); err != nil {
				t.Errorf("%s: softrec %s: %v", o.Metadata.Name, strings.Join(c.Args, " "), err)
			}
			for _, p := range c.Ports {
				if !slices.Contains(c.Args, ":"+map[string]string{"admin": "9090", "http": "8080"}[p.Name]) {
					t.Errorf("%s: nothing listens on the port %s", o.Metadata.Name, p.Name)
				}
			}
			for _, m := range c.Mounts {
				if !volumes[m.Name] {
					t.Errorf("%s mounts %s, which is no volume of it", o.Metadata.Name, m.Name)
				}
			}
			if c.Live == nil || c.Ready == nil || !strings.HasPrefix(c.Image, "softrec:0") {
				t.Errorf("%s: image %q, probes %v %v", o.Metadata.Name, c.Image, c.Live, c.Ready)
			}
		}
	}
	if len(roles) != 3 {
		t.Errorf("roles %v, want three", slices.Sorted(maps.Keys(roles)))
	}
	for kind, n := range map[string]int{"Deployment": 3, "HorizontalPodAutoscaler": 2, "Service": 1, "PodDisruptionBudget": 1, "Ingress": 1, "PodMonitor": 1, "ConfigMap": 1} {
		if kinds[kind] != n {
			t.Errorf("%d objects of the kind %s, want %d", kinds[kind], kind, n)
		}
	}
}

// The YAML file that the chart writes must be one that softrec accepts.
func TestChart_settingsAreReal(t *testing.T) {
	objects, err := render(t, servers)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		for name, text := range o.Data {
			file := filepath.Join(t.TempDir(), name)
			write(t, file, text)
			if _, err := config.Load(config.Sources{File: file}); err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
}

// Traces and attribution are off, and nobody is waited for, until the values say otherwise; then the settings arrive.
func TestChart_tracesAndReplicas(t *testing.T) {
	const collector = "http://collector:4318"
	for _, endpoint := range []string{"", collector} {
		replicas := 0
		objects, err := render(t, func(values map[string]any) {
			servers(values)
			if endpoint != "" {
				replicas = 1
				config := values["config"].(map[string]any)
				config["trace"].(map[string]any)["endpoint"] = endpoint
				config["attribution"].(map[string]any)["enabled"] = true
				config["redis"].(map[string]any)["wait_replicas"] = replicas
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		files := 0
		for _, o := range objects {
			for name, text := range o.Data {
				files++
				file := filepath.Join(t.TempDir(), name)
				write(t, file, text)
				loaded, err := config.Load(config.Sources{File: file})
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				if c := loaded.Config; c.Trace.Endpoint != endpoint || c.Redis.WaitReplicas != replicas || c.Attribution.Enabled != (endpoint != "") {
					t.Errorf("traces go to %q, %d replicas are waited for, attribution is %v, want %q and %d", c.Trace.Endpoint, c.Redis.WaitReplicas, c.Attribution.Enabled, endpoint, replicas)
				}
			}
		}
		if files != 1 {
			t.Errorf("%d files of settings, want 1", files)
		}
	}
}

// links are the variables that Kubernetes adds to containers for the Services among objects, of a release named softrec.
func links(objects []object) (env []string) {
	for _, o := range objects {
		if o.Kind != "Service" {
			continue
		}
		name := strings.ToUpper(strings.ReplaceAll(strings.Replace(o.Metadata.Name, "shop", "softrec", 1), "-", "_"))
		for _, p := range o.Spec.Ports {
			at, url := fmt.Sprintf("%s_PORT_%d_TCP", name, p.Port), fmt.Sprintf("tcp://10.96.0.12:%d", p.Port)
			env = append(env, name+"_SERVICE_HOST=10.96.0.12", fmt.Sprintf("%s_SERVICE_PORT=%d", name, p.Port), fmt.Sprintf("%s_SERVICE_PORT_HTTP=%d", name, p.Port), name+"_PORT="+url,
				at+"="+url, at+"_PROTO=tcp", fmt.Sprintf("%s_PORT=%d", at, p.Port), at+"_ADDR=10.96.0.12")
		}
	}
	return env
}

// A pod's ports are reached by others: every container has its keys, or says that it asks for none. Its environment is one that softrec starts with,
// whatever the cluster adds to it.
func TestChart_saysWhoMayAsk(t *testing.T) {
	for secret, want := range map[string][]string{
		"":             {"SOFTREC_SERVE_ACCESS_INSECURE=true", "SOFTREC_ADMIN_ACCESS_INSECURE=true"},
		"softrec-keys": {"SOFTREC_SERVE_ACCESS_KEYS_FILE=/etc/softrec-keys/keys.json", "SOFTREC_ADMIN_ACCESS_KEYS_FILE=/etc/softrec-keys/keys.json"},
	} {
		objects, err := render(t, func(values map[string]any) {
			servers(values)
			values["access"].(map[string]any)["keysSecret"] = secret
		})
		if err != nil {
			t.Fatal(err)
		}
		containers := 0
		for _, o := range objects {
			for _, c := range o.Spec.Template.Spec.Containers {
				containers++
				var env []string
				for _, e := range c.Env {
					env = append(env, e.Name+"="+e.Value)
				}
				if !slices.Equal(env, want) {
					t.Errorf("%s has the environment %v, want %v", o.Metadata.Name, env, want)
				}
				if _, err := config.Load(config.Sources{Environ: env}); err != nil {
					t.Errorf("%s: %v", o.Metadata.Name, err)
				}
				if _, err := config.Load(config.Sources{Environ: append(env, links(objects)...)}); err != nil {
					t.Errorf("%s, with what Kubernetes adds for the chart's Services: %v", o.Metadata.Name, err)
				}
				if links := o.Spec.Template.Spec.Links; links == nil || *links {
					t.Errorf("%s takes variables of every Service around it", o.Metadata.Name)
				}
				if mounted := slices.ContainsFunc(c.Mounts, func(m struct{ Name string }) bool { return m.Name == "keys" }); mounted != (secret != "") {
					t.Errorf("%s mounts its keys: %v", o.Metadata.Name, mounted)
				}
			}
		}
		if n := len(links(objects)); containers != 3 || n != 8 {
			t.Errorf("%d containers were looked at and %d variables of Services, want 3 and 8", containers, n)
		}
	}
}
