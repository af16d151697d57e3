package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/serve/access"
)

// Listen opens both addresses, so that a caller learns of a taken port, or of the port it got, before Run. Run closes
// them.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listened {
		return nil
	}
	public, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on serve.listen: %w", err)
	}
	private, err := net.Listen("tcp", s.cfg.AdminListen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on serve.admin_listen: %w", err), public.Close())
	}
	err = errors.Join(s.cfg.Access.CheckListener(public.Addr(), "serve.listen", "serve.access"), s.cfg.Access.CheckListener(private.Addr(), "serve.admin_listen", "serve.access"))
	if err != nil {
		return errors.Join(err, public.Close(), private.Close())
	}
	s.public, s.private, s.listened = public, private, true
	return nil
}

// Addr is the API's address, nil before Listen.
func (s *Server) Addr() net.Addr { return s.addr(func() net.Listener { return s.public }) }

// AdminAddr is the private address, nil before Listen.
func (s *Server) AdminAddr() net.Addr { return s.addr(func() net.Listener { return s.private }) }

func (s *Server) addr(of func() net.Listener) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := of(); l != nil {
		return l.Addr()
	}
	return nil
}

// Run answers requests until ctx is done, then stops in order: /readyz says no and answers close their connections, drain_delay passes, live streams end,
// the port closes while who has come is answered, running requests end within shutdown_grace, the private port closes last. It returns nil after that, else the fault
// that ended it. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("starting without the newest model or catalogue", "err", err)
	}
	s.models.answers.Store(true)
	public, private := s.servers()
	door := newLastCall(s.public)
	door.attend(public)
	// The loops outlive the requests, so that those which are drained still see a fresh catalogue.
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()
	streams, stopStreams := context.WithCancel(loops)
	defer stopStreams()
	group, failed := errgroup.WithContext(ctx)
	group.Go(func() error { return listenOn(public, door) })
	group.Go(func() error { return listenOn(private, s.private) })
	for name, loop := range map[string]func(context.Context){
		"model watcher":      func(ctx context.Context) { s.models.run(ctx, s.cfg.ModelPoll) },
		"catalogue follower": s.follow, "load": s.load.controller.Run,
		"language model": s.readTexts, "arms": s.followArms, "impressions": s.impressions.run, "shadows": s.shadows.run,
	} {
		group.Go(func() error { s.keep(loops, name, loop); return nil })
	}
	group.Go(func() error { s.keep(streams, "live streams", s.hub.run); return nil })
	group.Go(func() error {
		<-failed.Done() // ctx is done or one of the servers failed
		defer stopLoops()
		s.stopping.Store(true)
		if ctx.Err() != nil && s.cfg.DrainDelay > 0 {
			time.Sleep(s.cfg.DrainDelay)
		}
		stopStreams()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownGrace)
		defer cancel()
		if ctx.Err() != nil {
			door.leave(grace)
		}
		return s.shutdown(grace, public, private)
	})
	s.log.Info("serving", "address", s.public.Addr().String(), "admin", s.private.Addr().String(), "tls", s.secrets != nil)
	s.sayWhoMayAsk()
	return group.Wait()
}

// sayWhoMayAsk puts one line into the log: a warning when strangers may reach what nobody guards, and another where keys can be read on the wire.
func (s *Server) sayWhoMayAsk() {
	level := slog.LevelInfo
	if !s.guard.Closed() && !(access.Loopback(s.Addr()) && access.Loopback(s.AdminAddr())) {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, s.guard.Describe(), "keys_file", s.cfg.Access.KeysFile, "insecure", s.cfg.Access.Insecure)
	if s.guard.Closed() && s.secrets == nil && !(access.Loopback(s.Addr()) && access.Loopback(s.AdminAddr())) {
		s.log.Warn("keys travel in clear text: set serve.tls, or have a proxy in front that speaks TLS and a network of their own between the two", "address", s.Addr().String(), "admin", s.AdminAddr().String())
	}
}

func (s *Server) servers() (public, private *http.Server) {
	complaints := slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	public = &http.Server{
		Handler: s.api, ReadHeaderTimeout: s.cfg.ReadHeaderTimeout, ReadTimeout: s.cfg.ReadTimeout, WriteTimeout: s.cfg.WriteTimeout,
		IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: s.cfg.MaxHeaderBytes, ErrorLog: complaints, TLSConfig: s.secrets,
		Protocols: protocols(), HTTP2: s.cfg.lively(),
	}
	wait := s.cfg.ReadHeaderTimeout
	if s.secrets != nil {
		wait *= 2 // the handshake has as long for itself
	}
	hasten(public, wait)
	private = &http.Server{
		Handler: s.admin, ReadHeaderTimeout: s.cfg.ReadHeaderTimeout, ReadTimeout: s.cfg.ReadTimeout, WriteTimeout: profileTimeout,
		IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: s.cfg.MaxHeaderBytes, ErrorLog: complaints, TLSConfig: s.secrets.Clone(),
		Protocols: new(http.Protocols),
	}
	private.Protocols.SetHTTP1(true) // ReadHeaderTimeout does not bound the headers of HTTP/2
	return public, private
}

// protocols are those of the public port: gRPC needs HTTP/2, also where there is no TLS.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// profileTimeout leaves room for a profile of some minutes.
const profileTimeout = 5 * time.Minute

// shutdown drains the API and then closes the private port. Requests that outlast the grace are cut and reported.
func (s *Server) shutdown(grace context.Context, public, private *http.Server) error {
	var errs []error
	if err := public.Shutdown(grace); err != nil {
		errs = append(errs, fmt.Errorf("drain requests within %s: %w", s.cfg.ShutdownGrace, err), public.Close())
	}
	if err := private.Shutdown(grace); err != nil {
		errs = append(errs, private.Close()) // a profile still runs: nobody waits for it
	}
	return errors.Join(errs...)
}

func listenOn(srv *http.Server, l net.Listener) error {
	serve := func() error { return srv.Serve(l) }
	if srv.TLSConfig != nil {
		serve = func() error { return srv.ServeTLS(l, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// follow keeps the catalogue fresh without requests: titles on the page, and no long catching up for the next request.
func (s *Server) follow(ctx context.Context) {
	tick := time.NewTicker(s.cfg.CataloguePoll)
	defer tick.Stop()
	faulty := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.deps.Catalogue.Sync(ctx)
		fault := s.begin(ctx)
		if fault == nil {
			fault = s.forget(ctx)
		}
		if fault != nil && ctx.Err() == nil {
			s.log.Debug("users and items to forget are not followed", "err", fault)
		}
		if err != nil && ctx.Err() == nil && !faulty {
			s.log.Warn("catalogue is not followed", "err", err)
		} else if err == nil && faulty {
			s.log.Info("catalogue is followed again")
		}
		faulty = err != nil
	}
}
