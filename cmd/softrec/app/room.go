package app

import (
	"os"
	"runtime"
	"slices"
)

// spareProcessors are what Go may use beyond the processors there are where one process trains and serves. A round stands behind everything
// else with the operating system (trainer/model/backseat), but Go lets a thread keep its turn while the system has set it aside: without
// a spare one the answers would wait for that turn.
const spareProcessors = 2

// makeRoom lets Go run more threads at once than there are processors, where trainer and server share them, and keeps the trainer's own goroutines
// at what they would be without. Somebody who has set GOMAXPROCS has decided.
func (a *App) makeRoom(roles []Role) {
	if !slices.Contains(roles, Trainer) || !slices.Contains(roles, Serve) || os.Getenv("GOMAXPROCS") != "" {
		return
	}
	processors := runtime.GOMAXPROCS(0)
	if a.cfg.Trainer.Train.Workers == 0 {
		a.cfg.Trainer.Train.Workers = max(1, processors/2)
	}
	runtime.GOMAXPROCS(processors + spareProcessors)
	a.onClose(func() error { runtime.SetDefaultGOMAXPROCS(); return nil })
}
