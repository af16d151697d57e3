package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/softrec/softrec/cmd/softrec/config"
)

// Metric is one figure of the admin port's /metrics.
type Metric struct {
	Name   string
	Kind   string   // counter, gauge or histogram
	Labels []string // names, constant ones first
	Help   string
}

// registry remembers what was registered, so that figures without a sample yet are known too.
type registry struct {
	*prometheus.Registry

	mu   sync.Mutex
	seen []prometheus.Collector
}

func newRegistry() *registry { return &registry{Registry: prometheus.NewRegistry()} }

// Register implements prometheus.Registerer.
func (r *registry) Register(c prometheus.Collector) error {
	if err := r.Registry.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, c)
	return nil
}

// collectors returns what was registered so far.
func (r *registry) collectors() []prometheus.Collector {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// MustRegister implements prometheus.Registerer.
func (r *registry) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Metrics describes every figure of softrec's own that a process with every role has, in the order of their names. It
// opens such a process, in memory, and runs it until its parts are there.
func Metrics(ctx context.Context) ([]Metric, error) {
	loaded, err := config.Load(config.Sources{Preset: map[string]string{
		"serve.listen": "127.0.0.1:0", "serve.admin_listen": "127.0.0.1:0", "trainer.learner": "counts",
		"attribution.enabled": "true", // it is off by default, and has figures of its own
	}})
	if err != nil {
		return nil, err
	}
	a, err := Open(ctx, loaded, slog.New(slog.DiscardHandler), "", AllRoles()...)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(running) }()
	byName, err := a.metrics.await(ctx)
	stop()
	if err := errors.Join(err, <-ended, a.Close()); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) }), nil
}

// partsTime bounds the wait for the parts of a process that has nothing to do.
const partsTime = 30 * time.Second

// await describes the figures once those of the part that is built last are there: ingest's four streams wait for the topics.
func (r *registry) await(ctx context.Context) (map[string]Metric, error) {
	ctx, cancel := context.WithTimeout(ctx, partsTime)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		byName, streams := map[string]Metric{}, 0
		for _, c := range r.collectors() {
			names, err := describe(byName, c)
			if err != nil {
				return nil, err
			}
			if slices.Contains(names, "softrec_ingest_records_total") {
				streams++
			}
		}
		if streams == 4 {
			return byName, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the metrics of ingest: %w", ctx.Err())
		case <-look.C:
		}
	}
}

// described is the text form of a prometheus.Desc, which has no other.
var described = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"),(?: unit: "[^"]*",)? constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// describe adds what c shows to byName and returns its names. Figures of the Go runtime and of the process are left out:
// they are not ours.
func describe(byName map[string]Metric, c prometheus.Collector) (names []string, err error) {
	descs := make(chan *prometheus.Desc, 512)
	c.Describe(descs)
	close(descs)
	for d := range descs {
		m, err := readDesc(d.String())
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(m.Name, "softrec_") {
			continue
		}
		if m.Kind, err = kindOf(c, m.Name); err != nil {
			return nil, err
		}
		byName[m.Name] = m
		names = append(names, m.Name)
	}
	return names, nil
}

func readDesc(text string) (Metric, error) {
	parts := described.FindStringSubmatch(text)
	if parts == nil {
		return Metric{}, fmt.Errorf("read the description %q: not the form expected", text)
	}
	name, errName := strconv.Unquote(parts[1])
	help, errHelp := strconv.Unquote(parts[2])
	if errName != nil || errHelp != nil {
		return Metric{}, fmt.Errorf("read the description %q: not the form expected", text)
	}
	m := Metric{Name: name, Help: help}
	for pair := range strings.SplitSeq(parts[3], ",") {
		if label, _, ok := strings.Cut(pair, "="); ok {
			m.Labels = append(m.Labels, label)
		}
	}
	for label := range strings.SplitSeq(parts[4], ",") {
		if label != "" {
			m.Labels = append(m.Labels, label)
		}
	}
	return m, nil
}

// kindOf tells what c is: by its type, or by a sample where it is wrapped. A wrapped family without a sample is a counter
// where its name says so.
func kindOf(c prometheus.Collector, name string) (string, error) {
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter", nil
	case *prometheus.GaugeVec:
		return "gauge", nil
	case *prometheus.HistogramVec:
		return "histogram", nil
	}
	samples := make(chan prometheus.Metric, 64)
	go func() { // a family may hold more samples than the channel has room for
		c.Collect(samples)
		close(samples)
	}()
	kind := ""
	for s := range samples {
		var m dto.Metric
		if err := s.Write(&m); err != nil {
			return "", fmt.Errorf("sample %s: %w", name, err)
		}
		switch {
		case m.Counter != nil:
			kind = "counter"
		case m.Histogram != nil:
			kind = "histogram"
		case m.Gauge != nil:
			kind = "gauge"
		}
	}
	if kind == "" && strings.HasSuffix(name, "_total") {
		kind = "counter"
	}
	if kind == "" {
		return "", fmt.Errorf("metric %s: no sample and no type to tell its kind by", name)
	}
	return kind, nil
}
