package trainer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// Names of the learners, the values of Config.Learner.
const (
	LearnerCounts   = "counts"   // counts and the mixing model alone: no network, no SOFT
	LearnerSequence = "sequence" // counts, the mixing model and the sequence model tuned by SOFT
	LearnerText     = "text"     // counts, the mixing model and a language model tuned by SOFT
)

// Config sets the trainer. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Learner         string        `koanf:"learner" help:"what a round trains: counts, sequence or text (default sequence)"`
	Plain           bool          `koanf:"plain" help:"rounds fine-tune on the real targets alone, in as many epochs as teacher and student of SOFT may take together (default false)"`
	RoundsTopic     string        `koanf:"rounds_topic" help:"compacted topic with a record of every round, the same for all roles (default softrec.rounds)"`
	RoundEvents     int           `koanf:"round_events" help:"new interactions after which a round starts (default 8000)"`
	RoundInterval   time.Duration `koanf:"round_interval" help:"time after which a round starts with fewer, if round_min_events have come (default 60s)"`
	RoundMinEvents  int           `koanf:"round_min_events" help:"fewest new interactions of a round (default 500)"`
	BootstrapEvents int           `koanf:"bootstrap_events" help:"interactions after which the first, counts-only model goes live (default 1000)"`
	BacklogEvents   int           `koanf:"backlog_events" help:"new interactions at which reading waits for the running round, which bounds the memory of a trainer that cannot keep up; a candidate in the shadow is given up after as many (default 500000)"`
	LearnLimit      int           `koanf:"learn_limit" help:"most new interactions the network trains on in one round, the newest are taken; older ones of a backlog go to the replay buffer (default 20000)"`
	ReplayShare     float64       `koanf:"replay_share" help:"replayed interactions per new one in a round (default 1)"`
	ReplayLimit     int           `koanf:"replay_limit" help:"interactions the replay buffer keeps (default 200000)"`
	HeldOut         float64       `koanf:"held_out" help:"share of a round's newest interactions held out: the older half for validation and the mixing model, the newer half for the gate (default 0.25)"`
	GateMinimum     int           `koanf:"gate_minimum" help:"fewest interactions on which the gate decides (default 50)"`
	GateUsers       int           `koanf:"gate_users" help:"fewest users those interactions may be of (default 5)"`
	GateLimit       int           `koanf:"gate_limit" help:"most baskets each held-out half is judged on, the newest are taken (default 2000)"`
	GateAlpha       float64       `koanf:"gate_alpha" help:"error rate of the gate's paired test by user: how often newer counts that are no worse are refused, and how often a network that is no better passes (default 0.05)"`
	GateMargin      float64       `koanf:"gate_margin" help:"newer counts may be worse than the live model by this share of its NDCG@10, 0 to 1 (default 0)"`
	GateSuperior    bool          `koanf:"gate_superior" help:"a newly tuned network must be significantly better than the live model; false: it passes as newer counts do, unless significantly worse (default false)"`
	GateWindows     bool          `koanf:"gate_windows" help:"a newly tuned network must by itself place what users take significantly higher when it reads their own windows than when it reads those of others (default true)"`
	GateCoverage    float64       `koanf:"gate_coverage" help:"a candidate is refused when its lists hold fewer distinct items than this share of the live model's, 0 to 1 (default 0.5)"`
	GateFailures    float64       `koanf:"gate_failures" help:"a candidate is refused when more than this share of its lists is short, holds an item twice or a score that is no number, 0 to 1 (default 0.01)"`
	ShadowEvents    int           `koanf:"shadow_events" help:"scored interactions on which a candidate that passed the gate stands beside the live model before it may go live; 0: it goes live at once (default 0)"`
	RollbackEvents  int           `koanf:"rollback_events" help:"scored interactions on which the model before stands beside a new live one, and comes back when it does significantly better; 0: no automatic roll-back (default 2000)"`
	RollbackAlpha   float64       `koanf:"rollback_alpha" help:"share of the promotions of a model that is no worse which are rolled back all the same, at most, over all looks together (default 0.05)"`
	Keep            int           `koanf:"keep" help:"snapshots kept (default 5)"`
	Seed            int64         `koanf:"seed" help:"seed of everything random (default 1)"`
	ScoreShare      float64       `koanf:"score_share" help:"share of the users whose interactions are scored before they are learnt, 0 to 1 (default 1)"`
	ScoreRolling    int           `koanf:"score_rolling" help:"interactions in the rolling scores (default 5000)"`
	ScorePoint      int           `koanf:"score_point" help:"interactions per point of the curve of scores (default 2000)"`
	ReportInterval  time.Duration `koanf:"report_interval" help:"time between two records of the running scores (default 1s)"`

	Soft     soft.Config     `koanf:"soft"`
	Counts   counts.Config   `koanf:"counts"`
	Mixer    mixer.Config    `koanf:"mixer"`
	Sequence sequence.Config `koanf:"sequence"`
	Train    seqtrain.Config `koanf:"train"`
	Text     TextConfig      `koanf:"text"`
}

// DefaultConfig refreshes a sequence model every 8,000 interactions or every minute.
func DefaultConfig() Config {
	return Config{
		Learner: LearnerSequence, RoundsTopic: schema.TopicRounds, RoundEvents: 8000, RoundInterval: time.Minute, RoundMinEvents: 500, BootstrapEvents: 1000, BacklogEvents: 500_000,
		LearnLimit: 20_000, ReplayShare: 1, ReplayLimit: 200_000, HeldOut: 0.25, GateMinimum: 50, GateUsers: 5, GateLimit: 2000,
		GateAlpha: 0.05, GateWindows: true, GateCoverage: 0.5, GateFailures: 0.01, RollbackEvents: 2000, RollbackAlpha: 0.05,
		Keep: 5, Seed: 1,
		ScoreShare: 1, ScoreRolling: 5000, ScorePoint: 2000, ReportInterval: time.Second,
		Soft: soft.DefaultConfig(), Counts: counts.DefaultConfig(), Mixer: mixer.DefaultConfig(),
		Sequence: sequence.DefaultConfig(), Train: seqtrain.DefaultConfig(), Text: DefaultTextConfig(),
	}
}

// Validate reports every fault at once, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("trainer.%s %v: want %s", field, value, want))
		}
	}
	learners := []string{LearnerCounts, LearnerSequence, LearnerText}
	fault(slices.Contains(learners, c.Learner), "learner", fmt.Sprintf("%q", c.Learner), "counts, sequence or text")
	fault(c.RoundsTopic != "", "rounds_topic", `""`, "a name")
	fault(c.RoundEvents >= 1, "round_events", c.RoundEvents, "at least 1")
	fault(c.RoundInterval > 0, "round_interval", c.RoundInterval, "more than 0")
	fault(c.RoundMinEvents >= 1 && c.RoundMinEvents <= c.RoundEvents, "round_min_events", c.RoundMinEvents, "1 to round_events")
	fault(c.BootstrapEvents >= 1, "bootstrap_events", c.BootstrapEvents, "at least 1")
	fault(c.BacklogEvents >= c.RoundEvents, "backlog_events", c.BacklogEvents, "at least round_events")
	fault(c.LearnLimit >= 1, "learn_limit", c.LearnLimit, "at least 1")
	fault(c.ReplayShare >= 0 && c.ReplayShare <= 100, "replay_share", c.ReplayShare, "0 to 100")
	fault(c.ReplayLimit >= 0, "replay_limit", c.ReplayLimit, "at least 0")
	fault(c.HeldOut > 0 && c.HeldOut <= 0.9, "held_out", c.HeldOut, "above 0, at most 0.9")
	fault(c.GateMinimum >= 1, "gate_minimum", c.GateMinimum, "at least 1")
	fault(c.GateLimit >= 1, "gate_limit", c.GateLimit, "at least 1")
	fault(c.GateUsers >= 2, "gate_users", c.GateUsers, "at least 2")
	fault(c.GateAlpha > 0 && c.GateAlpha <= 0.5, "gate_alpha", c.GateAlpha, "above 0, at most 0.5")
	fault(c.GateMargin >= 0 && c.GateMargin <= 1, "gate_margin", c.GateMargin, "0 to 1")
	fault(c.GateCoverage >= 0 && c.GateCoverage <= 1, "gate_coverage", c.GateCoverage, "0 to 1")
	fault(c.GateFailures >= 0 && c.GateFailures <= 1, "gate_failures", c.GateFailures, "0 to 1")
	fault(c.ShadowEvents >= 0, "shadow_events", c.ShadowEvents, "at least 0")
	fault(c.ShadowEvents == 0 || c.ShadowEvents >= c.GateMinimum, "shadow_events", c.ShadowEvents, "0 or at least gate_minimum")
	fault(c.ShadowEvents == 0 || float64(c.ShadowEvents) <= c.ScoreShare*float64(c.BacklogEvents), "shadow_events", c.ShadowEvents, "0 or at most score_share * backlog_events: a trial that takes longer is given up")
	fault(c.ShadowEvents == 0 || c.ScoreShare > 0, "shadow_events", c.ShadowEvents, "0 where score_share is 0: nothing would be scored")
	fault(c.ShadowEvents == 0 || c.Learner != LearnerText, "shadow_events", c.ShadowEvents, "0 for the text learner: the shadow scores without the language model")
	fault(c.RollbackEvents >= 0, "rollback_events", c.RollbackEvents, "at least 0")
	fault(c.RollbackAlpha > 0 && c.RollbackAlpha <= 0.2, "rollback_alpha", c.RollbackAlpha, "above 0, at most 0.2")
	fault(c.Keep >= 1, "keep", c.Keep, "at least 1")
	fault(c.Seed >= 0, "seed", c.Seed, "at least 0")
	fault(c.ScoreShare >= 0 && c.ScoreShare <= 1, "score_share", c.ScoreShare, "0 to 1")
	fault(c.ScoreRolling >= 1, "score_rolling", c.ScoreRolling, "at least 1")
	fault(c.ScorePoint >= 1, "score_point", c.ScorePoint, "at least 1")
	fault(c.ReportInterval > 0, "report_interval", c.ReportInterval, "more than 0")
	errs = append(errs, c.Soft.Validate(), c.Counts.Validate(), c.Mixer.Validate(), c.Sequence.Validate(), c.Train.Validate(), c.Text.Validate())
	return errors.Join(errs...)
}

// identity names what a checkpoint depends on: a trainer that is started with another shape cannot go on from it.
// The language model counts where it is trained.
func (c Config) identity(rules window.Rules, text TextModel) string {
	model := ""
	if text != nil {
		model = text.Model()
	}
	b, err := json.Marshal(struct {
		Learner  string
		Sequence sequence.Config
		Counts   counts.Config
		Rules    window.Rules
		Model    string `json:",omitempty"`
	}{c.Learner, c.Sequence, c.Counts, rules, model})
	if err != nil { // plain numbers and text cannot fail to encode
		return "unknown"
	}
	return string(b)
}

// TunesSequence reports whether rounds train the sequence model.
func (c Config) TunesSequence() bool {
	return c.Learner == LearnerSequence || c.Learner == LearnerText && c.Text.Sequence
}
