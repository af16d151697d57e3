package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/go-huggingface/hub"
)

// listing is what the hub says a revision holds.
type listing struct {
	commit string
	files  []remote
}

// remote is a file at the hub.
type remote struct {
	name   string // with slashes
	url    string
	size   int64
	sha256 string // large files; else ""
	sha1   string // git's object id; "" when the hub does not say
}

// commitID matches a full commit, which also serves as a folder name.
var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// list asks the hub. The library knows no context and keeps what it is told in a folder of its own, so it runs beside a deadline and
// in a folder that goes away.
func (s *session) list(ctx context.Context) (listing, error) {
	if err := s.knock(ctx); err != nil {
		return listing{}, err
	}
	type answer struct {
		listing
		err error
	}
	got := make(chan answer, 1)
	go func() {
		l, err := s.ask()
		got <- answer{l, err}
	}()
	select {
	case a := <-got:
		return a.listing, a.err
	case <-ctx.Done():
		return listing{}, ctx.Err()
	case <-time.After(time.Minute):
		return listing{}, fmt.Errorf("%s did not say within a minute what the model holds: %w", host(s.endpoint), errDown)
	}
}

// knock learns whether the hub can be reached and lets us in, with the context and with an error that says which of the two failed.
func (s *session) knock(ctx context.Context) error {
	resp, err := s.get(ctx, s.endpoint+"/api/models/"+s.id+"/revision/"+url.PathEscape(s.revision), 0)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // nothing is read from it
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return &refusal{fmt.Sprintf("%s answers %s: the model does not exist, or asks for a token (HF_TOKEN)", host(s.endpoint), resp.Status)}
	case http.StatusTooManyRequests:
		return &refusal{fmt.Sprintf("%s answers %s: it was asked too often from this address: try later, or name a token (HF_TOKEN)", host(s.endpoint), resp.Status)}
	case http.StatusNotFound:
		return fmt.Errorf("%s has no revision %q of it", host(s.endpoint), s.revision)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s answers %s: %w", host(s.endpoint), resp.Status, errDown)
	}
	return fmt.Errorf("%s answers %s", host(s.endpoint), resp.Status)
}

// ask reads the listing through go-huggingface.
func (s *session) ask() (listing, error) {
	tmp, err := os.MkdirTemp("", "softrec-hub-")
	if err != nil {
		return listing{}, err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // a listing of a few kilobytes
	repo := hub.New(s.id).WithEndpoint(s.endpoint).WithRevision(url.PathEscape(s.revision)).WithAuth(s.token).WithCacheDir(tmp)
	repo.Verbosity = 0
	if err := repo.DownloadInfo(true); err != nil { // it has let us in a moment ago, and knows the revision
		return listing{}, fmt.Errorf("%s did not say what the model holds: %w: %w", host(s.endpoint), errDown, err)
	}
	info := repo.Info()
	if !commitID.MatchString(info.CommitHash) {
		return listing{}, fmt.Errorf("%s names the commit %q, want 40 hexadecimal digits", host(s.endpoint), info.CommitHash)
	}
	l := listing{commit: info.CommitHash}
	for _, f := range info.Siblings {
		if f == nil || !wanted(f.Name) {
			continue
		}
		r := remote{name: f.Name, size: f.Size, sha1: f.BlobID, url: s.endpoint + "/" + s.id + "/resolve/" + l.commit + "/" + f.Name}
		if f.LFS != nil {
			r.size, r.sha256, r.sha1 = f.LFS.Size, f.LFS.SHA256, ""
		}
		l.files = append(l.files, r)
	}
	return l, l.check()
}

// wanted reports whether softrec reads a file: the config, the tokenizer, the pooling and the weights of the model itself.
func wanted(name string) bool {
	if !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name {
		return false
	}
	if dir := path.Dir(name); dir != "." {
		return strings.HasSuffix(dir, "_Pooling") && !strings.Contains(dir, "/") && path.Base(name) == "config.json"
	}
	switch name {
	case "config.json", "generation_config.json", "special_tokens_map.json", "modules.json", "sentence_bert_config.json",
		"model.safetensors", "model.safetensors.index.json":
		return true
	}
	return strings.HasPrefix(name, "tokenizer") && strings.HasSuffix(name, ".json") || shard.MatchString(name)
}

// shard matches a part of a model's weights. Other safetensors files, such as a second copy for other software, are not fetched.
var shard = regexp.MustCompile(`^model-\d+-of-\d+\.safetensors$`)

// check refuses a model softrec could not open, before anything large is fetched.
func (l *listing) check() error {
	has := func(match func(string) bool) bool {
		return slices.ContainsFunc(l.files, func(r remote) bool { return match(r.name) })
	}
	if !has(func(n string) bool { return n == "config.json" }) {
		return errors.New("the model has no config.json")
	}
	if !has(func(n string) bool { return strings.HasSuffix(n, ".safetensors") }) {
		return errors.New("the model has no weights as model.safetensors, whole or in shards: other formats are not supported")
	}
	if !has(func(n string) bool { return n == "tokenizer.json" }) {
		return errors.New("the model has no tokenizer.json: other forms of tokenizers are not supported")
	}
	if has(func(n string) bool { return n == "model.safetensors" }) { // then shards would be a second copy
		l.files = slices.DeleteFunc(l.files, func(r remote) bool { return shard.MatchString(r.name) })
	}
	slices.SortFunc(l.files, func(a, b remote) int { return strings.Compare(a.name, b.name) })
	return nil
}

// host names the hub in errors.
func host(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		return u.Host
	}
	return endpoint
}

// unreachable tells a hub that could not be reached, or is out of order, from one that refused.
func unreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, errDown)
}

// refusal is what the hub says when it is there, and the model may be too, but it does not let us in.
type refusal struct{ says string }

func (r *refusal) Error() string { return r.says }

// errDown is a hub that is there but out of order.
var errDown = errors.New("the hub is out of order")
