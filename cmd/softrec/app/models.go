package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/trainer/snapshot"
)

// Models is the snapshot folder and the pointer to the live one, without any running part.
type Models struct {
	Store    *snapshot.Dir
	Registry *snapshot.Registry

	app *App
}

// OpenModels opens both as cfg names them. The pointer of the embedded Redis can be opened only while no other process
// uses the data folder.
func OpenModels(cfg config.Config, log *slog.Logger) (*Models, error) {
	a := &App{cfg: cfg, log: log}
	m := &Models{app: a}
	if err := m.open(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return m, nil
}

func (m *Models) open() error {
	a := m.app
	dir := a.modelsDir()
	if dir == "" {
		return errors.New("no snapshots: name their folder with --models-dir or --data-dir")
	}
	if _, err := os.Stat(dir); err != nil { // looking must not make a folder that a slip of the pen named
		return fmt.Errorf("no snapshots: %w", err)
	}
	if a.cfg.EmbeddedRedis() {
		if a.cfg.DataDir == "" {
			return errors.New("no pointer to the live model: name Redis with --redis-addrs, or the data folder with --data-dir")
		}
		if err := a.startEmbedded(); err != nil {
			return err
		}
		a.cfg.Redis = a.cfg.Redis.At(a.servers.RedisAddr())
	}
	var err error
	if a.rdb, err = a.cfg.Redis.Open(); err != nil {
		return err
	}
	a.onClose(a.rdb.Close)
	m.Registry = snapshot.NewRegistry(a.rdb, a.cfg.Redis.Keys())
	m.Store, err = snapshot.OpenDir(dir)
	return err
}

// TextModel is the setting text.model.
func (m *Models) TextModel() string { return m.app.cfg.Text.Model }

// Close lets go of Redis, and writes what was changed in the embedded one.
func (m *Models) Close() error { return m.app.Close() }
