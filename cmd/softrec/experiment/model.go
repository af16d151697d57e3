package experiment

import (
	"context"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/soft"
)

// Flavour is how a learner is set up. The zero value but for the rate is the fair SFT's.
type Flavour struct {
	LearningRate float64
	Unmasked     bool // history items stay in the training softmax
	Answers      int  // distilled answers per prompt, 0 for the best alone
	ItemAdapter  bool // items carry a trained residual
}

// Data is what the learners of one seed see, questions of one target each for training. Items are rows of the catalogue.
type Data struct {
	Train []split.Question
	Valid []split.Question
	Lines []split.Question // the whole training part, of which Train is drawn
}

// Learner is a language model in training, as the experiment sees it. It is for one goroutine at a time.
type Learner interface {
	soft.Learner

	// State is what Load takes for weights that Weights returned, with fresh moments; for nil it is the untuned start.
	State(ctx context.Context, weights []byte) (soft.State, error)

	// Weights returns the trained part of the present weights.
	Weights() ([]byte, error)

	// Rank returns the rank of every target of every question over the whole catalogue under the present weights, ties
	// in the middle; targets that were not ranked are at infinity. What a user had is left out where the split filters.
	Rank(ctx context.Context, asked []split.Question) ([][]float64, error)
}

// Model makes learners on one base model. It is for one goroutine at a time.
type Model interface {
	// Learner makes one of a flavour on data, started untuned from seed. Flavours the model does not have are ErrFlavour.
	Learner(f Flavour, data Data, seed uint64) (Learner, error)
}

// Kinds of a model.
const (
	kindEncoder = "encoder"
	kindDecoder = "decoder"
)

// Kit is what an experiment works with.
type Kit struct {
	Model    Model
	Kind     string                           // kindEncoder or kindDecoder
	Backend  string                           // for the record
	BF16     lm.BF16                          // what Options.BF16 came to on the backend
	Digest   string                           // of the model's files
	Sequence func() (*seqtrain.Engine, error) // for the sequence variant
	Close    func() error
}

// Catalogue is what a model must know of the data before the first learner.
type Catalogue struct {
	Titles        []string // by row
	FilterSeen    bool     // rankings leave out what the user had
	FilterAnswers bool     // the teacher's answers, and the distances, leave out what the user had
	Mask          bool     // the training softmax leaves out the history
}

// Open makes the kit for a catalogue.
type Open func(ctx context.Context, o Options, c Catalogue) (*Kit, error)
