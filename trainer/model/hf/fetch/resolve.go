package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Options says where models come from and where they are kept. The zero value works.
type Options struct {
	Endpoint string                              // the hub or a mirror of it; "" reads HF_ENDPOINT, else the public hub
	Cache    string                              // folder of downloaded models; "" is softrec/models in the user's cache folder
	Token    string                              // for models that ask for one; "" reads HF_TOKEN
	Offline  bool                                // never touch the network: only what the cache holds
	Progress func(file string, done, size int64) // called while a file grows, from one goroutine; may be nil
	Log      *slog.Logger                        // nil is silent
	Client   *http.Client                        // nil is one that gives up on a hub that says nothing for 30 s
}

// prefix marks a model of the hub.
const prefix = "hf:"

// reference matches owner/name[@revision]. The parts become folder names.
var reference = regexp.MustCompile(`^([\w.-]+)/([\w.-]+)(?:@([\w./-]+))?$`)

// Resolve gives the local folder of a model. A plain path is itself and must exist; "hf:owner/name[@revision]" is downloaded into
// the cache if it is not there. Where the hub cannot be reached, is out of order, asks for patience or lets nobody in, it answers from
// the cache, with a warning. Where that does not hold the model, the error says what the hub said, or names the host that could not be
// reached and the way around it.
func Resolve(ctx context.Context, ref string, opts Options) (string, error) {
	name, isHub := strings.CutPrefix(ref, prefix)
	if !isHub {
		info, err := os.Stat(ref)
		if err != nil {
			return "", fmt.Errorf("find model: %w", err)
		}
		if !info.IsDir() {
			return "", fmt.Errorf("find model: %s is a file, want the folder with config.json", ref)
		}
		return ref, nil
	}
	parts := reference.FindStringSubmatch(name)
	if parts == nil || strings.Contains(name, "..") {
		return "", fmt.Errorf("find model: %q is not of the form hf:owner/name or hf:owner/name@revision", ref)
	}
	s, err := newSession(parts[1]+"/"+parts[2], parts[3], opts)
	if err != nil {
		return "", fmt.Errorf("find model %s: %w", ref, err)
	}
	dir, err := s.resolve(ctx)
	if err != nil {
		return "", fmt.Errorf("find model %s: %w", ref, err)
	}
	return dir, nil
}

// errOffline is why the hub was not asked.
var errOffline = errors.New("told to stay offline (text.offline)")

// session is one model being resolved.
type session struct {
	id       string // owner/name
	revision string
	endpoint string
	token    string
	root     string // the model's folder in the cache
	offline  bool
	progress func(file string, done, size int64)
	log      *slog.Logger
	client   *http.Client
}

func newSession(id, revision string, o Options) (*session, error) {
	s := &session{id: id, revision: revision, endpoint: o.Endpoint, token: o.Token, offline: o.Offline, progress: o.Progress, log: o.Log, client: o.Client}
	if s.revision == "" {
		s.revision = "main"
	}
	if s.endpoint == "" {
		s.endpoint = os.Getenv("HF_ENDPOINT")
	}
	if s.endpoint == "" {
		s.endpoint = "https://huggingface.co"
	}
	s.endpoint = strings.TrimRight(s.endpoint, "/")
	if s.token == "" {
		s.token = os.Getenv("HF_TOKEN")
	}
	if s.progress == nil {
		s.progress = func(string, int64, int64) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = 30 * time.Second
		s.client = &http.Client{Transport: transport}
	}
	cache := o.Cache
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find the cache folder: %w", err)
		}
		cache = filepath.Join(user, "softrec", "models")
	}
	s.root = filepath.Join(cache, "models--"+strings.ReplaceAll(id, "/", "--"))
	return s, nil
}

// resolve asks the hub what the revision is, and falls back on the cache when the hub cannot be reached or does not answer us.
func (s *session) resolve(ctx context.Context) (string, error) {
	if commit := s.pinned(); commit != "" {
		if dir, ok := s.complete(commit); ok { // a commit never changes
			return dir, nil
		}
	}
	if s.offline {
		return s.cached(errOffline)
	}
	listing, err := s.list(ctx)
	if unreachable(err) && ctx.Err() == nil {
		return s.cached(err)
	}
	var refused *refusal
	if errors.As(err, &refused) {
		if dir, ok := s.fallback(err); ok {
			return dir, nil
		}
	}
	if err != nil {
		return "", err
	}
	return s.fetchAll(ctx, listing)
}

// fallback is the cached model as the hub last had it, where all of it is there.
func (s *session) fallback(why error) (string, bool) {
	commit := s.known()
	if commit == "" {
		return "", false
	}
	dir, ok := s.complete(commit)
	if ok {
		s.log.Warn("no news of the model from its hub, using the cached one", "model", s.id, "revision", s.revision, "commit", commit, "why", why)
	}
	return dir, ok
}

// cached answers without the hub, or says what to do.
func (s *session) cached(why error) (string, error) {
	if dir, ok := s.fallback(why); ok {
		return dir, nil
	}
	if s.offline {
		return "", fmt.Errorf("the model is not in the cache %s, and %w: download it where there is a network and pass its folder instead of hf:%s",
			filepath.Dir(s.root), why, s.id)
	}
	return "", fmt.Errorf("%s could not be reached and the model is not in the cache %s: download it where there is a network and pass its folder "+
		"instead of hf:%s, or set HF_ENDPOINT to a mirror: %w", host(s.endpoint), filepath.Dir(s.root), s.id, why)
}
