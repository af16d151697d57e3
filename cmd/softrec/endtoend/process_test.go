package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/softrec/softrec/cmd/softrec/cli" // what the tests build and start: a change of it must run them again
	"github.com/softrec/softrec/cmd/softrec/config/configtest"
)

func TestMain(m *testing.M) {
	configtest.DropTestVariables()
	os.Exit(m.Run())
}

// binary builds softrec once per test and returns its path.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "softrec")
	out, err := exec.Command("go", "build", "-o", path, "github.com/softrec/softrec/cmd/softrec").CombinedOutput()
	if err != nil {
		t.Fatalf("build softrec: %v\n%s", err, out)
	}
	return path
}

// freeAddr returns a loopback address nobody listens on at this moment.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process is one running softrec.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	done chan error
	mu   sync.Mutex
	log  bytes.Buffer
}

// Write keeps what the process says, for when the test fails.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// said is what the process has said so far.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start runs `softrec all` over dir and waits until it takes events.
func start(t *testing.T, bin, dir, addr string, flags ...string) *process {
	t.Helper()
	args := append([]string{"all", "--data-dir", dir, "--serve-listen", addr, "--serve-admin-listen", "127.0.0.1:0"}, flags...)
	p := &process{t: t, cmd: exec.Command(bin, args...), url: "http://" + addr, done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), "SOFTREC_LOG_LEVEL=info")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	p.until("the API", 60*time.Second, func() bool { _, err := p.get("/v1/stats"); return err == nil })
	return p
}

// until waits for a condition while the process lives.
func (p *process) until(what string, patience time.Duration, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("softrec ended (%v) while the test waited for %s:\n%s", err, what, p.said())
		default:
		}
	}
	p.t.Fatalf("gave up waiting for %s:\n%s", what, p.said())
}

// kill ends the process as a power cut of the process would: no handler runs.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	<-p.done
}

// stop asks the process to end and demands that it does so cleanly.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("softrec ended with %v:\n%s", err, p.said())
		}
	case <-time.After(60 * time.Second):
		_ = p.cmd.Process.Kill()
		p.t.Errorf("softrec did not end:\n%s", p.said())
	}
}

var client = &http.Client{Timeout: 15 * time.Second}

// get returns the body of a successful GET.
func (p *process) get(path string) ([]byte, error) {
	resp, err := client.Get(p.url + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, resp.Status, b)
	}
	return b, err
}

// read decodes the answer to a GET.
func read[T any](p *process, path string) (T, error) {
	var v T
	b, err := p.get(path)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	return v, err
}

// post sends a JSON body and reports whether it was accepted.
func (p *process) post(path string, body []byte) error {
	resp, err := client.Post(p.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %s: %s", path, resp.Status, b)
	}
	return nil
}

// refused posts an event of its own and says whether the answer is a 503 with Retry-After, which it is while Kafka cannot write.
func (p *process) refused(user string) bool {
	p.t.Helper()
	body := fmt.Appendf(nil, `{"user_id":%q,"item_id":"i1","timestamp":%d}`, user, time.Now().UnixMilli())
	resp, err := client.Post(p.url+"/v1/events", "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != ""
}
