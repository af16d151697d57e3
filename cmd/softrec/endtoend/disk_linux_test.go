package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limitFiles lets no file of the process grow beyond size bytes: a write past it fails, after what still fits, as on a full disk.
func (p *process) limitFiles(size uint64) {
	p.t.Helper()
	var before unix.Rlimit
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &before); err != nil {
		p.t.Fatal(err)
	}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: min(size, before.Max), Max: before.Max}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// roomAgain takes the limit away.
func (p *process) roomAgain() { p.t.Helper(); p.limitFiles(unix.RLIM_INFINITY) }

// largest is the size of the largest file of the log.
func largest(t *testing.T, dir string) (size uint64) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "kafka"), func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size = max(size, uint64(info.Size()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// The disk under the embedded servers is full. Events are refused with 503 and come back; answers go on; nothing that was accepted is
// lost, whether there is room again or the process is killed before.
func TestAll_theDiskIsFull(t *testing.T) {
	if testing.Short() {
		t.Skip("builds softrec and runs it")
	}
	bin, dir, addr := binary(t), t.TempDir(), freeAddr(t)
	flags := []string{"--window-len", "10000", "--trainer-bootstrap-events", "1000000", "--serve-publish-timeout", "1s", "--embedded-snapshot-interval", "100ms"}
	l := &ledger{acked: map[string]map[uint32]bool{}, unknown: map[string]map[uint32]bool{}}
	p := start(t, bin, dir, addr, flags...)
	clicking := func(until func()) {
		t.Helper()
		stop := make(chan struct{})
		var g sync.WaitGroup
		for c := range 2 {
			g.Go(func() { l.click(p, uint64(c)+uint64(time.Now().UnixNano()), stop) })
		}
		until()
		close(stop)
		g.Wait()
	}
	whole := func() (total int) {
		t.Helper()
		for u := range killUsers {
			user := fmt.Sprint("u", u)
			p.until("the window of "+user, time.Minute, func() bool { return l.missing(t, p, user) == 0 })
			total += l.check(t, p, user)
		}
		return total
	}
	accepted := func(more int64) {
		t.Helper()
		from := l.next.Load()
		p.until("events are accepted", time.Minute, func() bool { return l.next.Load() > from+more && !p.refused("probe") })
	}
	full := func(size uint64) {
		t.Helper()
		clicking(func() {
			accepted(200)
			p.limitFiles(size)
			p.until("events are refused", time.Minute, func() bool { return p.refused("probe") })
			p.until("the snapshot fails", time.Minute, func() bool { return strings.Contains(p.said(), "file too large") })
			if _, err := p.get("/v1/recommend/u1"); err != nil {
				t.Errorf("while the disk is full: %v", err)
			}
		})
	}
	full(0)
	p.roomAgain()
	clicking(func() { accepted(200) })
	p.until("the process goes on", time.Minute, func() bool { return !p.refused("probe") })
	before := whole()

	full(largest(t, dir) + 2000) // what is written last is written by half
	p.kill()
	p = start(t, bin, dir, addr, flags...)
	if now := whole(); now <= before {
		t.Errorf("%d events in windows, %d before the second time: the test proved little", now, before)
	}
	clicking(func() { accepted(200) })
	t.Logf("%d events in windows", whole())
	p.stop()
}
