package schema

import "time"

// Verdicts of a round.
const (
	VerdictPromoted = "promoted" // the candidate went live
	VerdictRefused  = "refused"  // the live model stayed
	VerdictFailed   = "failed"   // the round broke; the reason says how

	VerdictShadow     = "shadow"      // the candidate passed the gate and is scored beside the live model before it may go live
	VerdictRolledBack = "rolled_back" // the candidate went live, did significantly worse than the model before it, and that one is live again
)

// Epoch is one pass of a curriculum over its examples.
type Epoch struct {
	Epoch      int     `json:"epoch"`
	Lambda     float64 `json:"lambda"`     // weight of the easy targets, 0 to 1 (arXiv 2505.20771)
	Distance   float64 `json:"distance"`   // d_e: mean distance of the answers to the real targets on the probe set, measured before the epoch
	LossReal   float64 `json:"loss_real"`  // mean cross-entropy on D, nats
	LossEasy   float64 `json:"loss_easy"`  // mean cross-entropy on D', nats
	Validation float64 `json:"validation"` // HR@10 on the validation part after the epoch
	Seconds    float64 `json:"seconds"`
}

// Scores are ranking figures of one scorer on a set of interactions.
type Scores struct {
	Count  int     `json:"count"`
	HR10   float64 `json:"hr10"`
	NDCG10 float64 `json:"ndcg10"`
	MRR10  float64 `json:"mrr10"`
}

// Round is the record of one round of the trainer, promoted or not.
type Round struct {
	Round        int              `json:"round"`
	Started      time.Time        `json:"started"`
	Seconds      float64          `json:"seconds"`
	Learner      string           `json:"learner"`
	Seed         uint64           `json:"seed"`
	From         map[string]int64 `json:"from"`     // first offset of the round by partition
	To           map[string]int64 `json:"to"`       // next offset after the round by partition
	Examples     int              `json:"examples"` // new interactions the network trained on
	Backlog      int              `json:"backlog"`  // new interactions too many for one round: left to the replay buffer
	Replayed     int              `json:"replayed"`
	HeldOut      int              `json:"held_out"`
	Schedule     string           `json:"schedule"`
	Alpha        float64          `json:"alpha"`
	BaseDistance float64          `json:"base_distance"` // d_0
	Teacher      TeacherRecord    `json:"teacher"`
	Epochs       []Epoch          `json:"epochs"`
	BestEpoch    int              `json:"best_epoch"`
	Coverage     float64          `json:"coverage"`           // distinct y' over distinct y
	EasyPopular  float64          `json:"easy_popularity"`    // mean popularity of y' over that of y
	Notes        []string         `json:"notes,omitempty"`    // what a person should know about the curriculum, a sentence each
	Refresh      *Refresh         `json:"refresh,omitempty"`  // what went before the network: new counts and mixing model
	Live         Scores           `json:"live"`               // live model on the gate's interactions
	Candidate    Scores           `json:"candidate"`          // candidate on the same ones
	Shadow       *Trial           `json:"shadow,omitempty"`   // how the candidate did beside the live model on the stream, once that is decided
	Rollback     *Trial           `json:"rollback,omitempty"` // what the round's model was rolled back for
	Verdict      string           `json:"verdict"`
	Reason       string           `json:"reason"`
	ModelVersion string           `json:"model_version"` // live after this round
}

// Trial is what two models scored on the same interactions of the stream, each asked before it could learn them.
type Trial struct {
	Kind        string           `json:"kind"`  // "shadow": other is a candidate; "watch": other was live before
	Live        string           `json:"live"`  // version of the live model then
	Other       string           `json:"other"` // version of the one beside it
	LiveScores  Scores           `json:"live_scores"`
	OtherScores Scores           `json:"other_scores"`
	Reason      string           `json:"reason"`
	Offsets     map[string]int64 `json:"offsets"` // next offset by partition when it was decided
}

// Refresh is the first, quick half of a round: the live network with new counts and a new mixing model, judged by the
// same gate, so that what needs no network does not wait for it.
type Refresh struct {
	Live         Scores  `json:"live"`
	Candidate    Scores  `json:"candidate"`
	Verdict      string  `json:"verdict"`
	Reason       string  `json:"reason"`
	ModelVersion string  `json:"model_version"` // live after it
	Seconds      float64 `json:"seconds"`
}

// TeacherRecord is what a round says about its SFT teacher.
type TeacherRecord struct {
	Epochs   int     `json:"epochs"`
	Loss     float64 `json:"loss"`     // mean cross-entropy of its last epoch, nats
	Distance float64 `json:"distance"` // d_T on the probe set
	HR10     float64 `json:"hr10"`     // on the validation part
}

// Prequential is the running test-then-train record of the trainer: every interaction is scored before it is learnt.
type Prequential struct {
	At           time.Time          `json:"at"`
	Events       int64              `json:"events"`        // interactions scored since the first model
	Scores       map[string]Scores  `json:"scores"`        // over all of them, by scorer: "model", "popularity", "transitions"
	Rolling      map[string]Scores  `json:"rolling"`       // over the newest of them
	Curve        []PrequentialPoint `json:"curve"`         // oldest first, bounded
	ModelVersion string             `json:"model_version"` // the scorer "model" now
	ModelAge     int64              `json:"model_age"`     // events since the live model learnt
	Lag          int64              `json:"lag"`           // records that the trainer has yet to read; -1 when the broker did not say
}

// PrequentialPoint is one point of the curve: HR@10 by scorer over the interactions since the point before.
type PrequentialPoint struct {
	Events int64              `json:"events"`
	At     time.Time          `json:"at"` // event time
	HR10   map[string]float64 `json:"hr10"`
}
