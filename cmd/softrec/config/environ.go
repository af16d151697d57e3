package config

import (
	"regexp"
	"slices"
	"strings"
)

// A Service whose name begins with softrec gives every container of its namespace variables: SOFTREC_SERVE_SERVICE_HOST, SOFTREC_SERVE_PORT
// (a URL), SOFTREC_SERVE_PORT_80_TCP_ADDR and more of these forms, unless the pod refuses them (enableServiceLinks).
var (
	serviceLink = regexp.MustCompile(`^` + EnvPrefix + `(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	serviceURL  = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// isServiceLink reports whether a variable that is no setting comes from Kubernetes.
func isServiceLink(name, value string) bool {
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value)
}

// Environ returns environ with the settings of c in place of those it has, so that a process which gets it, and no file, loads c: what a
// command was told by file and flags reaches the processes it starts. Their own flags stay on top. Secrets are in it as they are.
func (c Config) Environ(environ []string) ([]string, error) {
	defaults, err := Keys(Default())
	if err != nil {
		return nil, err
	}
	values, err := Keys(c) // of the same settings
	if err != nil {
		return nil, err
	}
	names := map[string]bool{ConfigEnv: true}
	var set []string
	for i, k := range values {
		names[k.Env()] = true
		if text := k.text(); text != defaults[i].text() {
			set = append(set, k.Env()+"="+text)
		}
	}
	others := slices.DeleteFunc(slices.Clone(environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return names[name]
	})
	return append(others, set...), nil
}

// text is the default as it would be typed, secrets too.
func (k Key) text() string {
	if s, secret := k.Default.(Secret); secret {
		return s.Reveal()
	}
	return k.show(k.Default)
}
