package app

import (
	"os"
	"runtime"
	"slices"
)

// What Go may use beyond the processors there are where a process serves. Go lets a thread keep its turn while the system has set it aside, for
// Redis or the clients on the same machine or because it stands behind everything else, as a round's threads and those of shadows do
// (trainer/model/backseat): without a spare one the answers would wait for that turn.
const (
	spareToServe = 1
	spareToTrain = 1
)

// makeRoom lets Go run more threads at once than there are processors, where answers share them with such work, and keeps the trainer's own
// goroutines at what they would be without. Somebody who has set GOMAXPROCS has decided.
func (a *App) makeRoom(roles []Role) {
	if !slices.Contains(roles, Serve) || os.Getenv("GOMAXPROCS") != "" {
		return
	}
	processors, spare := runtime.GOMAXPROCS(0), spareToServe
	if slices.Contains(roles, Trainer) {
		spare += spareToTrain
		if a.cfg.Trainer.Train.Workers == 0 {
			a.cfg.Trainer.Train.Workers = max(1, processors/2)
		}
	}
	runtime.GOMAXPROCS(processors + spare)
	a.onClose(func() error { runtime.SetDefaultGOMAXPROCS(); return nil })
}
