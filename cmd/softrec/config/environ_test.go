package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Kubernetes tells every container of every Service: a release named softrec must not take these for settings, nor a slip of the pen for these.
func TestLoad_passesOverServiceLinks(t *testing.T) {
	links := []string{
		"SOFTREC_SERVE_SERVICE_HOST=10.96.0.12", "SOFTREC_SERVE_SERVICE_PORT=80", "SOFTREC_SERVE_SERVICE_PORT_HTTP=80", "SOFTREC_SERVE_PORT=tcp://10.96.0.12:80",
		"SOFTREC_SERVE_PORT_80_TCP=tcp://10.96.0.12:80", "SOFTREC_SERVE_PORT_80_TCP_PROTO=tcp", "SOFTREC_SERVE_PORT_80_TCP_PORT=80", "SOFTREC_SERVE_PORT_80_TCP_ADDR=10.96.0.12",
		"SOFTREC_SERVICE_HOST=10.96.0.13", "SOFTREC_PORT=tcp://10.96.0.13:6379", "SOFTREC_DNS_PORT_53_UDP=udp://10.96.0.14:53",
	}
	loaded, err := Load(Sources{Environ: append(links, "SOFTREC_WINDOW_LEN=7")})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Window.Len = 7
	if d := cmp.Diff(want, loaded.Config, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the links changed settings (-want +got):\n%s", d)
	}
	keys, err := Keys(Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if isServiceLink(k.Env(), "tcp://10.96.0.12:80") {
			t.Errorf("%s is a setting and has the form of a link", k.Env())
		}
	}
	for _, slip := range []string{"SOFTREC_REDIS_PORT=6379", "SOFTREC_SERVE_HOST=x", "SOFTREC_SERVE_PORT_80=80", "SOFTREC_KAFKA_SERVICE=x"} {
		if _, err := Load(Sources{Environ: []string{slip}}); err == nil || !strings.Contains(err.Error(), "is not a variable softrec knows") {
			t.Errorf("%s: error %v", slip, err)
		}
	}
}

// other is a text for every setting that does not mean its default.
func other(t *testing.T, k Key) string {
	t.Helper()
	switch v := k.Default.(type) {
	case bool:
		return strconv.FormatBool(!v)
	case int, int64, uint64:
		return fmt.Sprint(v) + "1"
	case float64:
		return fmt.Sprint(v + 0.1)
	}
	switch k.Kind() {
	case "duration":
		return "1h1ms"
	case "switch":
		return map[bool]string{true: "false", false: "true"}[fmt.Sprint(k.Default) == "true"]
	case "list":
		return "a:1,b:2"
	case "string":
		return "other " + k.Path
	}
	t.Fatalf("%s has the kind %s", k.Path, k.Kind())
	return ""
}

// A child that gets the environment, and no file, has every setting of its parent, secrets too; what the parent's own environment said does not
// come back.
func TestConfig_Environ(t *testing.T) {
	keys, err := Keys(Default())
	if err != nil {
		t.Fatal(err)
	}
	parent := Sources{Environ: []string{"HOME=/x", "SOFTREC_CONFIG=no-such.yaml", "SOFTREC_SERVE_SERVICE_HOST=10.96.0.12"}, Flags: map[string]string{}}
	for _, k := range keys {
		parent.Flags[k.Flag()] = other(t, k)
		parent.Environ = append(parent.Environ, k.Env()+"="+k.text())
	}
	given, _ := Load(parent) // values that their owners refuse are values all the same
	environ, err := given.Config.Environ(parent.Environ)
	if err != nil {
		t.Fatal(err)
	}
	child, _ := Load(Sources{Environ: environ})
	if d := cmp.Diff(given.Config, child.Config); d != "" {
		t.Errorf("the child has other settings (-parent +child):\n%s", d)
	}
	if got := len(child.Origins()); got != len(keys) {
		t.Errorf("the child was told %d settings of %d", got, len(keys))
	}
	if slices.Contains(environ, "SOFTREC_CONFIG=no-such.yaml") || !slices.Contains(environ, "HOME=/x") || !slices.Contains(environ, "SOFTREC_SERVE_SERVICE_HOST=10.96.0.12") {
		t.Errorf("other variables: %q", environ)
	}
	again, err := Default().Environ(environ)
	if err != nil || len(again) != 2 {
		t.Errorf("the defaults over those settings: %q, %v, want nothing but what is no setting", again, err)
	}
}
