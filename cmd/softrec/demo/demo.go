package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/cmd/softrec/probe"
)

// errFinished is how the demo asks the parts to end: it is over.
var errFinished = errors.New("the demo is over")

// show is one running demo.
type show struct {
	opts    Options
	app     *app.App
	span    logfile.Span
	titles  map[string]string
	recent  *probe.Recent
	prober  *probe.Prober
	client  *probe.Client
	url     string
	started time.Time
	first   time.Duration // until the first answer of a model; 0 before
	arrived time.Time     // when the warm-up had reached the windows; zero before. For warm alone
}

// Run shows the demo until ctx is done or its time is over. The error says what went wrong, or that nothing was served.
func Run(ctx context.Context, loaded *config.Loaded, log *slog.Logger, version string, opts Options) error {
	if err := opts.Validate(); err != nil {
		return err
	}
	if err := suits(loaded.Config); err != nil {
		return err
	}
	started := time.Now()
	recent := probe.NewRecent(2000)
	a, err := app.OpenOn(ctx, app.Stage{Now: recent.Now}, loaded, log, version, app.AllRoles()...)
	if err != nil {
		return err
	}
	s, err := prepare(a, opts, started, recent)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	err = a.Run(ctx, app.Part{Name: "demo", Run: s.run})
	if errors.Is(err, errFinished) {
		err = nil
	}
	return errors.Join(err, a.Close())
}

// suits refuses at once what the demo would stumble over. It opens no port wider than it was told: keys and certificates are not set aside.
func suits(cfg config.Config) error {
	const instead = "or use `softrec all` and `softrec replay`"
	var errs []error
	if !cfg.EmbeddedKafka() || !cfg.EmbeddedRedis() {
		errs = append(errs, errors.New("the demo runs on servers of its own: leave kafka.brokers and redis.addrs empty, "+instead))
	}
	if file := cfg.Serve.Access.KeysFile; file != "" {
		errs = append(errs, fmt.Errorf("serve.access.keys_file %q: the demo asks without a key: leave it empty, %s", file, instead))
	}
	if tls := cfg.Serve.TLS; tls.On() {
		errs = append(errs, fmt.Errorf("serve.tls.cert_file %q: the demo asks in plain HTTP: leave serve.tls empty, %s", tls.CertFile, instead))
	}
	return errors.Join(errs...)
}

func prepare(a *app.App, opts Options, started time.Time, recent *probe.Recent) (*show, error) {
	s := &show{opts: opts, app: a, started: started, recent: recent}
	var err error
	if s.span, err = measure(); err != nil {
		return nil, err
	}
	if s.titles, err = readTitles(); err != nil {
		return nil, err
	}
	if s.url, err = a.URL(); err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	if s.client, err = probe.NewClient(s.url, &http.Client{Transport: transport}); err != nil {
		return nil, err
	}
	probing := probe.DefaultConfig()
	probing.Timeout = cmp.Or(opts.patience, probing.Timeout)
	if s.prober, err = probe.New(probing, s.client, s.recent); err != nil {
		return nil, err
	}
	s.prober.Observe(opts.Observe)
	return s, nil
}

// run shows everything and returns errFinished when the time is over, or nil when ctx is.
func (s *show) run(ctx context.Context) error {
	stage, stop := context.WithCancel(ctx)
	defer stop()
	if s.opts.For > 0 {
		var cancel context.CancelFunc
		stage, cancel = context.WithDeadline(stage, s.started.Add(s.opts.For))
		defer cancel()
	}
	s.say("page:  %s\n", s.url)
	if err := s.perform(stage); err != nil {
		return err
	}
	// The servers still run when the time is over, so the summary is taken now; after an interrupt they are going.
	if ctx.Err() != nil {
		return nil
	}
	last, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	summary, err := s.summarise(last)
	if err != nil {
		return fmt.Errorf("summarise: %w", err)
	}
	s.tell(summary)
	if s.opts.Summary != "" {
		if err := summary.Write(s.opts.Summary); err != nil {
			return err
		}
	}
	if err := summary.Served(); err != nil {
		return err
	}
	return errFinished
}

// say writes to the person who watches; a closed terminal is no fault of the demo.
func (s *show) say(format string, args ...any) { _, _ = fmt.Fprintf(s.opts.Out, format, args...) }
