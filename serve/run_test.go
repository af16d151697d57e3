package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func get(t testing.TB, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestRun_startsFollowsAndDrains(t *testing.T) {
	st := newStack(t).stock(20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := st.s.Listen(); err != nil {
		t.Fatal(err)
	}
	api, admin := "http://"+st.s.Addr().String(), "http://"+st.s.AdminAddr().String()
	ended := make(chan error, 1)
	go func() { ended <- st.s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()

	eventually(t, "ready without a model", func() bool {
		code, body := get(t, client, admin+"/readyz")
		return code == 200 && strings.Contains(body, "no model yet")
	})
	st.models.publish("v1", &fakeRanker{Salt: "v1", Vocab: names(20)})
	eventually(t, "the model is followed", func() bool {
		_, body := get(t, client, api+"/v1/recommend/u")
		return strings.Contains(body, `"model_version":"v1"`)
	})
	events, _ := st.watch(api)
	next(t, events, "stats", nil)

	// A request that runs when the stop comes is finished.
	entered, leave := make(chan struct{}), make(chan struct{})
	st.s.Live().Ranker.(*fakeRanker).delay = func() { close(entered); <-leave }
	slow := make(chan int, 1)
	go func() {
		code, _ := get(t, client, api+"/v1/recommend/slow")
		slow <- code
	}()
	<-entered
	cancel()
	for range events { // the stream ends by itself
	}
	if err := st.s.Ready(t.Context()); err == nil || err.Error() != "stopping" {
		t.Errorf("ready while stopping: %v", err)
	}
	close(leave)
	if code := <-slow; code != 200 {
		t.Errorf("the running request got %d", code)
	}
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRun_graceEnds(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.ShutdownGrace = 20 * time.Millisecond }).stock(3).model("v1", names(3)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := st.serve(ctx)
	entered, leave := make(chan struct{}), make(chan struct{})
	st.s.Live().Ranker.(*fakeRanker).delay = func() { close(entered); <-leave }
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	cut := make(chan error, 1)
	go func() {
		resp, err := client.Get("http://" + st.s.Addr().String() + "/v1/recommend/slow")
		if err == nil {
			_ = resp.Body.Close()
		}
		cut <- err
	}()
	<-entered
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "drain requests within 20ms") {
		t.Errorf("run: %v", err)
	}
	close(leave)
	if err := <-cut; err == nil {
		t.Error("the request was answered after the grace")
	}
}

func TestListen_takenPort(t *testing.T) {
	a := newStack(t)
	if err := a.s.Listen(); err != nil {
		t.Fatal(err)
	}
	b := newStack(t, func(c *Config, _ *Deps) { c.Listen = a.s.Addr().String() })
	if err := b.s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve.listen") {
		t.Errorf("a taken port: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.s.Run(ctx); err != nil { // closes what Listen opened
		t.Errorf("run: %v", err)
	}
}

func TestAdmin(t *testing.T) {
	sinkErr := errors.New("no broker")
	st := newStack(t, func(_ *Config, d *Deps) {
		d.Effective = map[string]any{"kafka": map[string]string{"password": "hidden"}}
		d.Checks = []Check{{Name: "kafka", Func: func(context.Context) error { return sinkErr }}}
	})
	admin := func(path string) reply { return ask(t, st.s.Admin(), "GET", path, "") }
	if r := admin("/healthz"); r.Code != 200 || string(r.Body) != "ok\n" {
		t.Errorf("healthz: %d %s", r.Code, r.Body)
	}
	if r := admin("/readyz"); r.Code != 503 || !strings.Contains(string(r.Body), "no model was looked for") || !strings.Contains(string(r.Body), "kafka: no broker") {
		t.Errorf("readyz: %d %s", r.Code, r.Body)
	}
	sinkErr = nil
	st.refresh()
	if r := admin("/readyz"); r.Code != 200 {
		t.Errorf("readyz: %d %s", r.Code, r.Body)
	}
	st.model("v1", "a")
	if r := admin("/readyz"); string(r.Body) != "ready: model v1\n" {
		t.Errorf("readyz: %s", r.Body)
	}
	st.mr.Close()
	if r := admin("/readyz"); r.Code != 503 || !strings.Contains(string(r.Body), "redis") {
		t.Errorf("readyz: %d %s", r.Code, r.Body)
	}
	if r := admin("/config"); !strings.Contains(string(r.Body), `"password": "hidden"`) {
		t.Errorf("config: %s", r.Body)
	}
	if r := admin("/version"); !strings.Contains(string(r.Body), `"version": "test"`) {
		t.Errorf("version: %s", r.Body)
	}
	if r := admin("/debug/pprof/goroutine?debug=1"); r.Code != 200 {
		t.Errorf("pprof: %d", r.Code)
	}
	if r := admin("/metrics"); !strings.Contains(string(r.Body), "softrec_serve_model_swaps_total 1") {
		t.Errorf("metrics: %s", r.Body)
	}
	if r := admin("/nothing"); r.Code != 404 {
		t.Errorf("status %d", r.Code)
	}
	if r := st.do("GET", "/metrics", ""); r.Code == 200 && strings.Contains(string(r.Body), "softrec_") {
		t.Error("metrics are on the public port")
	}
}

// Clients that do not look at /readyz and ask on over connections that they keep: during the drain each answer tells them to leave, and everybody whom
// the server has let in is answered. Only the system may still refuse or reset a new connection while the port closes: nobody has read what it asks.
func TestRun_drainsClientsThatAskOn(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.DrainDelay = 150 * time.Millisecond }).stock(9).model("v1", names(9)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := st.serve(ctx)
	url := "http://" + st.s.Addr().String()
	var g sync.WaitGroup
	var answered, after atomic.Int64
	faults := make(chan error, 64)
	for i := range 16 {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(i%4 != 0)
		protocols.SetUnencryptedHTTP2(i%4 == 0) // GOAWAY tells these
		transport := &http.Transport{Protocols: protocols}
		client := &http.Client{Transport: transport}
		g.Go(func() {
			defer transport.CloseIdleConnections()
			for {
				req, err := http.NewRequest(http.MethodPost, url+"/v1/session/recommend", strings.NewReader(`{"items":["i001"]}`))
				if err == nil && i%4 != 0 {
					req.GetBody = nil // never sent twice; over HTTP/2 the server says which requests it has not read
				}
				if err != nil {
					faults <- err
					return
				}
				kept := false
				on := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { kept = c.Reused }})
				resp, err := client.Do(req.WithContext(on))
				if errors.Is(err, syscall.ECONNREFUSED) || !kept && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
					return // it goes to another server, which this test has not
				}
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if err != nil {
					faults <- err
					return
				}
				answered.Add(1)
				if st.s.stopping.Load() {
					after.Add(1)
				}
			}
		})
	}
	eventually(t, "load", func() bool { return answered.Load() > 300 })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	g.Wait()
	close(faults)
	for err := range faults {
		t.Errorf("a request was cut off: %v", err)
	}
	if after.Load() == 0 {
		t.Error("nothing was asked during the drain: the test proved nothing")
	}
	t.Logf("%d answers, %d of them during the drain", answered.Load(), after.Load())
}
