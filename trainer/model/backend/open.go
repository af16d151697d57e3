package backend

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// noInstall is the variable that forbids go-xla to download plugins.
const noInstall = "GOMLX_NO_AUTO_INSTALL"

// Info says what Open opened.
type Info struct {
	Name     string // "xla" or "go"
	Reason   string // why this one
	Plugin   string // path of the plugin, empty for "go"
	Platform string // see Platform
}

// String is one line for a log.
func (i Info) String() string {
	if i.Plugin != "" {
		return fmt.Sprintf("%s backend with plugin %s: %s", i.Name, i.Plugin, i.Reason)
	}
	return fmt.Sprintf("%s backend: %s", i.Name, i.Reason)
}

// Open opens a backend and logs one line that says which and why. A plugin that was named, in cfg or in SOFTREC_PJRT_PLUGIN, must
// work, else Open fails; one that was merely found and does not work is a warning and the Go backend takes its
// place. The caller finalises the backend.
func Open(cfg Config, log *slog.Logger) (compute.Backend, Info, error) {
	return open(cfg, log, system(), openXLA)
}

func open(cfg Config, log *slog.Logger, p places, xla func(string) (compute.Backend, error)) (compute.Backend, Info, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, Info{}, fmt.Errorf("open backend: %w", err)
	}
	be, info, err := openBest(cfg, log, p, xla)
	if err != nil {
		return nil, Info{}, fmt.Errorf("open backend: %w", err)
	}
	info.Platform = Platform(be)
	log.Info("training backend", "backend", info.Name, "platform", info.Platform, "reason", info.Reason, "plugin", info.Plugin)
	return be, info, nil
}

func openBest(cfg Config, log *slog.Logger, p places, xla func(string) (compute.Backend, error)) (compute.Backend, Info, error) {
	if cfg.Plugin == None {
		return openGo(cfg, "no plugin wanted")
	}
	found, ok := p.find(cfg.Plugin)
	if !ok {
		return openGo(cfg, "no PJRT plugin given or found")
	}
	if !filepath.IsAbs(found.path) {
		return nil, Info{}, fmt.Errorf("plugin %q (%s): want an absolute path", found.path, found.why)
	}
	be, err := loadPlugin(found.path, xla)
	if err == nil {
		return be, Info{Name: "xla", Reason: "plugin " + found.why, Plugin: found.path}, nil
	}
	if found.named {
		return nil, Info{}, fmt.Errorf("plugin %s (%s): %w", found.path, found.why, err)
	}
	log.Warn("PJRT plugin found but not usable, falling back to pure Go", "plugin", found.path, "found", found.why, "error", err)
	return openGo(cfg, "plugin "+found.why+" is not usable")
}

// loadPlugin turns every failure of a plugin into an error, panics included.
func loadPlugin(path string, xla func(string) (compute.Backend, error)) (be compute.Backend, err error) {
	defer func() {
		if r := recover(); r != nil {
			be, err = nil, fmt.Errorf("load plugin: %v", r)
		}
	}()
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file: %v", st.Mode())
	}
	if err := os.Setenv(noInstall, "1"); err != nil {
		return nil, fmt.Errorf("forbid downloads: %w", err)
	}
	return xla(path)
}

// openGo opens the pure-Go backend. With workers set it prints a line of its own to standard output, which cannot be
// switched off; the sequential one is silent.
func openGo(cfg Config, reason string) (compute.Backend, Info, error) {
	options, how := "ops_sequential", "operations one after another"
	if !cfg.Sequential {
		options, how = fmt.Sprintf("parallelism=%d", cfg.Parallelism), fmt.Sprintf("operations side by side on %d workers", cfg.Parallelism)
	}
	be, err := gobackend.New(options)
	if err != nil {
		return nil, Info{}, err
	}
	return be, Info{Name: "go", Reason: reason + ", " + how}, nil
}
