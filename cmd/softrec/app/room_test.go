package app

import (
	"os"
	"runtime"
	"testing"
)

func TestMakeRoom_onlyWhereAnswersShare(t *testing.T) {
	if os.Getenv("GOMAXPROCS") != "" {
		t.Setenv("GOMAXPROCS", "") // counts as not set
	}
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, roles := range [][]Role{{Ingest}, {Trainer}, {Ingest, Trainer}} {
		a := &App{}
		if a.makeRoom(roles); runtime.GOMAXPROCS(0) != before || a.cfg.Trainer.Train.Workers != 0 {
			t.Errorf("%v: room for %d", roles, runtime.GOMAXPROCS(0))
		}
	}
	alone := &App{}
	alone.makeRoom([]Role{Serve})
	if got, workers := runtime.GOMAXPROCS(0), alone.cfg.Trainer.Train.Workers; got != before+spareToServe || workers != 0 {
		t.Errorf("room for %d threads at once and %d training goroutines on %d processors of a server", got, workers, before)
	}
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	a := &App{}
	a.makeRoom(AllRoles())
	if got, workers := runtime.GOMAXPROCS(0), a.cfg.Trainer.Train.Workers; got != before+spareToServe+spareToTrain || workers != max(1, before/2) {
		t.Errorf("room for %d threads at once and %d training goroutines on %d processors", got, workers, before)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d after it closed, before %d", got, before)
	}
	t.Setenv("GOMAXPROCS", "7")
	decided := &App{}
	if decided.makeRoom(AllRoles()); runtime.GOMAXPROCS(0) != before || decided.cfg.Trainer.Train.Workers != 0 {
		t.Error("somebody's own setting was overruled")
	}
}
