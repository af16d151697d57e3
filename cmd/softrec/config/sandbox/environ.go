package sandbox

import (
	"os"

	"github.com/softrec/softrec/cmd/softrec/config"
)

// Environ is the environment of a process that has the settings of cfg and stands beside others on this machine: until its flags say otherwise it
// keeps nothing, its private port is closed, and whoever reaches its API on loopback may ask.
func Environ(cfg config.Config) ([]string, error) {
	fresh := config.Default()
	cfg.DataDir, cfg.Models, cfg.Admin = fresh.DataDir, fresh.Models, fresh.Admin
	s := &cfg.Serve
	s.Listen, s.AdminListen, s.Access, s.TLS = fresh.Serve.Listen, fresh.Serve.AdminListen, fresh.Serve.Access, fresh.Serve.TLS
	return cfg.Environ(os.Environ())
}
