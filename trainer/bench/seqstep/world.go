package seqstep

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// certain is a smoothing of the negatives so small that they are drawn by popularity alone.
const certain = 1e-9

// World is what all contestants read: one network, its data and how it is trained.
type World struct {
	Weights *sequence.Weights
	Train   seqtrain.Config
	Data    []seqtrain.Example // rows of MaxLen slots at most; full ones where a step is timed
	Cases   []seqtrain.Case    // what quality is measured on: one target each, histories of any length, whose items are not asked for
}

// Timed is the world in which a shape is timed.
func (s Shape) Timed(seed uint64) (World, error) { return s.world(s.Net, s.Train, s.Batches, seed) }

// Checked is a world of one batch in which the losses of every contestant must be the same.
func (s Shape) Checked(seed uint64) (World, error) {
	net, train := s.Net, s.Train
	net.Dropout = 0
	if !s.Full() {
		train.Smoothing = certain
	}
	w, err := s.world(net, train, 1, seed)
	if err == nil && !s.Full() {
		settle(w.Data, train.Negatives)
	}
	return w, err
}

func (s Shape) world(net sequence.Config, train seqtrain.Config, batches int, seed uint64) (World, error) {
	if s.Items < 2 || batches < 1 {
		return World{}, fmt.Errorf("make world %q: %d items and %d batches: want at least 2 and 1", s.Name, s.Items, batches)
	}
	if err := errors.Join(net.Validate(), train.Validate()); err != nil {
		return World{}, fmt.Errorf("make world %q: %w", s.Name, err)
	}
	w, err := sequence.NewWeights(net, s.Items+1, seed)
	if err != nil {
		return World{}, fmt.Errorf("make world %q: %w", s.Name, err)
	}
	return World{Weights: w, Train: train, Data: walks(batches*train.Batch, net.MaxLen, s.Items, seed)}, nil
}

// page is the file of a world beside its weights.
type page struct {
	Batch        int       `json:"batch"`
	LearningRate float64   `json:"learning_rate"`
	Negatives    int       `json:"negatives"`
	FullSoftmax  int       `json:"full_softmax"`
	Smoothing    float64   `json:"smoothing"`
	Average      float64   `json:"average"`
	Items        [][]int32 `json:"items"`
	Targets      [][]int32 `json:"targets"`
	Histories    [][]int32 `json:"histories,omitempty"`
	Answers      []int32   `json:"answers,omitempty"`
}

const (
	pageFile    = "world.json"
	weightsFile = "weights.bin"
)

// Write puts the world into a folder, which it makes.
func (w World) Write(folder string) error {
	p := page{Batch: w.Train.Batch, LearningRate: w.Train.LearningRate, Negatives: w.Train.Negatives,
		FullSoftmax: w.Train.FullSoftmax, Smoothing: w.Train.Smoothing, Average: w.Train.Average}
	for _, ex := range w.Data {
		p.Items, p.Targets = append(p.Items, ex.Items), append(p.Targets, ex.Targets)
	}
	for _, c := range w.Cases {
		p.Histories, p.Answers = append(p.Histories, c.History), append(p.Answers, c.Targets[0])
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	weights, err := w.Weights.Encode()
	if err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(folder, pageFile), text, 0o644),
		os.WriteFile(filepath.Join(folder, weightsFile), weights, 0o644)); err != nil {
		return fmt.Errorf("write world: %w", err)
	}
	return nil
}

// Read reads what Write wrote.
func Read(folder string) (World, error) {
	w, err := read(folder)
	if err != nil {
		return World{}, fmt.Errorf("read world %q: %w", folder, err)
	}
	return w, nil
}

func read(folder string) (World, error) {
	text, err := os.ReadFile(filepath.Join(folder, pageFile))
	if err != nil {
		return World{}, err
	}
	var p page
	if err := json.Unmarshal(text, &p); err != nil {
		return World{}, err
	}
	raw, err := os.ReadFile(filepath.Join(folder, weightsFile))
	if err != nil {
		return World{}, err
	}
	weights, err := sequence.Decode(raw)
	if err != nil {
		return World{}, err
	}
	cfg := seqtrain.DefaultConfig()
	cfg.Batch, cfg.LearningRate, cfg.Negatives = p.Batch, p.LearningRate, p.Negatives
	cfg.FullSoftmax, cfg.Smoothing, cfg.Average = p.FullSoftmax, p.Smoothing, p.Average
	if err := cfg.Validate(); err != nil {
		return World{}, err
	}
	w := World{Weights: weights, Train: cfg}
	known := func(row []int32) bool {
		return len(row) > 0 && !slices.ContainsFunc(row, func(id int32) bool { return id < 1 || int(id) >= weights.Vocab() })
	}
	for i, items := range p.Items {
		if i >= len(p.Targets) || len(items) > weights.Config().MaxLen || len(items) != len(p.Targets[i]) || !known(items) ||
			!known(slices.DeleteFunc(slices.Clone(p.Targets[i]), func(id int32) bool { return id == 0 })) {
			return World{}, fmt.Errorf("row %d: want at most %d known items and as many targets, 0 for none", i, weights.Config().MaxLen)
		}
		w.Data = append(w.Data, seqtrain.Example{Items: items, Targets: p.Targets[i]})
	}
	for i, history := range p.Histories {
		if i >= len(p.Answers) || !known(history) || !known(p.Answers[i:i+1]) {
			return World{}, fmt.Errorf("case %d: want a history of known items and one answer", i)
		}
		w.Cases = append(w.Cases, seqtrain.Case{History: history, Targets: p.Answers[i : i+1]})
	}
	return w, nil
}
