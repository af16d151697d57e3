package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer sends requests as a load balancer does: to whoever says that it is ready, over connections that are kept open.
type balancer struct {
	client *http.Client
	api    string
	ready  atomic.Bool
	sent   atomic.Int64
	late   atomic.Int64 // sent after the end was asked for
	ending atomic.Bool
	failed sync.Map // what went wrong -> struct{}
}

// slowness is how many requests the balancer sends after the end was asked for before it notices: the drain's delay is for such.
const slowness = 8

// watch asks /readyz until stop is closed.
func (b *balancer) watch(admin string, stop <-chan struct{}) {
	probe := &http.Client{Timeout: time.Second}
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
		resp, err := probe.Get(admin + "/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		ready := err == nil && resp.StatusCode == http.StatusOK
		b.ready.Store(ready || b.ending.Load() && b.late.Load() < slowness)
	}
}

// send asks and writes in turns while the server is ready.
func (b *balancer) send(user string, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		if !b.ready.Load() {
			time.Sleep(5 * time.Millisecond) // it goes on with another server, which this test has not
			continue
		}
		late := b.ending.Load()
		if err := b.one(user, n); err != nil {
			b.failed.Store(err.Error(), struct{}{})
		}
		b.sent.Add(1)
		if late {
			b.late.Add(1)
		}
	}
}

func (b *balancer) one(user string, n int) error {
	req, err := http.NewRequest(http.MethodGet, b.api+"/v1/recommend/"+user, nil)
	if n%2 == 0 && err == nil {
		body, _ := json.Marshal(map[string]any{"user_id": user, "item_id": fmt.Sprint("i", n%50), "timestamp": time.Now().UnixMilli()}) // plain values
		req, err = http.NewRequest(http.MethodPost, b.api+"/v1/events", struct{ io.Reader }{bytes.NewReader(body)})                     // without GetBody: never sent twice behind the test's back
	}
	if err != nil {
		return err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL.Path, resp.Status)
	}
	return nil
}

// SIGTERM under load: no request fails, neither one in flight nor one on a connection that was kept open, as long as whoever
// sends them looks at /readyz.
func TestAll_drainsWithoutAFailedRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("builds softrec and runs it under load")
	}
	bin := binary(t) // before the ports are looked for: somebody may take them while it builds
	addr, admin := freeAddr(t), freeAddr(t)
	p := start(t, bin, t.TempDir(), addr, "--serve-admin-listen", admin, "--serve-drain-delay", "10s", "--pjrt-plugin", "none")
	b := &balancer{client: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, api: p.url}
	stop := make(chan struct{})
	var g sync.WaitGroup
	g.Go(func() { b.watch("http://"+admin, stop) })
	for i := range 8 {
		g.Go(func() { b.send(fmt.Sprint("u", i), stop) })
	}
	p.until("load", 2*time.Minute, func() bool { return b.sent.Load() > 300 })
	b.ending.Store(true)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("softrec ended with %v:\n%s", err, p.said())
		}
	case <-time.After(2 * time.Minute):
		_ = p.cmd.Process.Kill()
		t.Errorf("softrec did not end:\n%s", p.said())
	}
	close(stop)
	g.Wait()
	b.failed.Range(func(what, _ any) bool { t.Errorf("a request failed: %s", what); return true })
	if b.late.Load() < slowness {
		t.Error("too little was sent after the end was asked for: the test proved nothing")
	}
	t.Logf("%d requests, %d of them begun after SIGTERM", b.sent.Load(), b.late.Load())
}
