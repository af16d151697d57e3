package trainer

import (
	"slices"
	"sync"
)

// switched says that a model went live.
type switched struct {
	model *liveModel
	own   bool   // by the running round
	over  string // otherwise: in place of this version, as far as the one who noticed knew
}

// tell hands the loop the newest switch. One that it has not taken yet is older news.
func (t *Trainer) tell(s switched) {
	for {
		select {
		case t.switched <- s:
			return
		default:
		}
		select {
		case <-t.switched:
		default:
		}
	}
}

// follow makes the model that went live the one that is scored. Where it was not the trainer that made it so, the trials
// end: a person has decided.
func (t *Trainer) follow(s switched) {
	live := ""
	if t.live != nil {
		live = t.live.Version
	}
	switch later := t.mine.place(s.model.Version) > t.mine.place(live); {
	case s.model.Version == live:
	case s.own && later:
		t.promote(s.model)
	case s.own: // its round has made another one live since, or is over
	case live != "" && s.over != live: // old news: the pointer has been read before the last change here
	case t.carriedOut(s.model.Version): // by a trial, which tells of it itself
	case later: // the pointer was looked at before the round had told of it
		t.promote(s.model)
	default:
		t.log.Info("another model is live now", "model_version", s.model.Version)
		t.moveOn(s.model.Version)
		t.install(s.model, t.scores.events())
	}
}

// carriedOut reports whether a version is being made live by a trial that ended.
func (t *Trainer) carriedOut(version string) bool {
	of := func(tr *trial) bool { return tr != nil && tr.over && tr.other.Version == version }
	return t.moving && (of(t.scores.shadow) || of(t.scores.watch))
}

// roundsOwn are the versions that the running round has made live, or is about to, in their order: who sees the pointer move before the round
// has told of it must not take it for a person's doing. The zero value is that of no round.
type roundsOwn struct {
	mu       sync.Mutex
	versions []string
}

func (o *roundsOwn) add(version string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.versions, version) {
		o.versions = append(o.versions, version)
	}
}

// place is where version stands among them, -1 for one of somebody else.
func (o *roundsOwn) place(version string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Index(o.versions, version)
}

func (o *roundsOwn) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.versions = nil
}
