package fetch

import (
	"context"
	"crypto/sha1" // #nosec G505 -- see gitBlob
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// digest matches what a hub may name a blob by; it becomes a file name.
var digest = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// attempts is how often a connection may break while a file grows. Each goes on where the last one stopped.
const attempts = 5

// stall is how long a hub may send nothing before the connection counts as broken.
const stall = time.Minute

// fetch brings one file into the blobs and links it into the snapshot.
func (s *session) fetch(ctx context.Context, f remote, snapshot string) error {
	sum := f.sha256
	if sum == "" {
		sum = f.sha1
	}
	if !digest.MatchString(sum) || f.size < 0 {
		return fmt.Errorf("the hub states checksum %q and size %d, so the file cannot be checked", sum, f.size)
	}
	blob := filepath.Join(s.root, "blobs", sum)
	place := filepath.Join(snapshot, filepath.FromSlash(f.name))
	for _, p := range []string{blob, place} {
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
	}
	if info, err := os.Stat(blob); err == nil && info.Size() == f.size { // only checked files get this name
		return link(blob, place)
	}
	part := blob + ".part"
	if err := s.grow(ctx, f, part); err != nil {
		return err
	}
	if err := f.check(part); err != nil {
		return errors.Join(err, os.Remove(part)) // going on from wrong bytes would never end well
	}
	if err := onDisk(part); err != nil { // a power cut must not leave a name without its bytes
		return err
	}
	if err := os.Rename(part, blob); err != nil {
		return err
	}
	return link(blob, place)
}

// onDisk returns when a file is there after a power cut.
func onDisk(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// grow downloads until the file has its size, going on after broken connections.
func (s *session) grow(ctx context.Context, f remote, part string) error {
	var last error
	for try := range attempts {
		if try > 0 {
			s.log.Warn("download interrupted, going on", "file", f.name, "err", last)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(try) * 200 * time.Millisecond):
			}
		}
		again, err := s.pull(ctx, f, part)
		if err == nil || !again || ctx.Err() != nil {
			return err
		}
		last = err
	}
	return fmt.Errorf("gave up after %d attempts: %w", attempts, last)
}

// pull makes one request for what is missing; again says whether another could help.
func (s *session) pull(ctx context.Context, f remote, part string) (again bool, err error) {
	out, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return false, err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	at, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	if at > f.size { // not the beginning of this file
		at = 0
	}
	if at == f.size && f.size > 0 {
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(stall, cancel)
	defer silence.Stop()
	resp, err := s.get(ctx, f.url, at)
	if err != nil {
		return true, err
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	switch {
	case resp.StatusCode == http.StatusOK: // the whole file, asked for or not
		at = 0
	case resp.StatusCode == http.StatusPartialContent && at > 0:
	default:
		return resp.StatusCode >= 500, fmt.Errorf("%s answers %s", resp.Request.URL.Host, resp.Status)
	}
	if err := out.Truncate(at); err != nil {
		return false, err
	}
	if _, err := out.Seek(at, io.SeekStart); err != nil {
		return false, err
	}
	return true, s.copy(out, resp.Body, f, at, func() { silence.Reset(stall) })
}

// copy appends to a part what the hub sends, never more than the file's size.
func (s *session) copy(out io.Writer, body io.Reader, f remote, at int64, alive func()) error {
	buf := make([]byte, 1<<18)
	s.progress(f.name, at, f.size)
	for at < f.size {
		n, err := body.Read(buf[:min(int64(len(buf)), f.size-at)])
		alive()
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
			at += int64(n)
			s.progress(f.name, at, f.size)
		}
		if at == f.size {
			break
		}
		if err != nil {
			return fmt.Errorf("stopped at byte %d of %d: %w", at, f.size, err)
		}
	}
	return nil
}

// get requests a URL from a byte on.
func (s *session) get(ctx context.Context, url string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if s.token != "" { // the client drops it when a redirect leads to another host
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	req.Header.Set("Accept-Encoding", "identity") // sizes and sums are of the bytes as they are stored
	return s.client.Do(req)
}

// check compares a file with the size and the sum the hub states.
func (f remote) check(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read from
	h, want := sha256.New(), f.sha256
	if want == "" {
		want = f.sha1
		h = gitBlob(f.size)
	}
	n, err := io.Copy(h, in)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); n != f.size || got != want {
		return fmt.Errorf("what arrived is damaged: %d bytes with checksum %s, want %d with %s", n, got, f.size, want)
	}
	return nil
}

// gitBlob begins git's object id of a file, the only checksum a hub keeps of small files.
func gitBlob(size int64) hash.Hash {
	h := sha1.New()                            // #nosec G401 -- git's name of a blob, which is checked beside the size
	_, _ = fmt.Fprintf(h, "blob %d\x00", size) // a hash takes everything
	return h
}
