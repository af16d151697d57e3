package serve

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/softrec/softrec/serve/access"
)

// refuseForeignHosts keeps pages out that have a name of theirs lead to this machine (DNS rebinding): to the browser they are of
// one origin with this server, and only Host tells. It looks where strangers are kept out by the address alone: a port on
// loopback that asks for no keys. Browsers send the name they looked up; an address needs no looking up.
func (s *Server) refuseForeignHosts(at func() net.Addr, open func() bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ownHost(r.Host) && open() && access.Loopback(at()) {
			writeProblem(w, http.StatusMisdirectedRequest, fmt.Sprintf("this server is not known as %.200q: name it in serve.hosts if it is", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost reports whether a Host header names this server: localhost, what ends in it, an address, the names it listens on and
// those of serve.hosts. Without the header, which every browser sends, it is HTTP/1.0.
func (s *Server) ownHost(header string) bool {
	host := nameOf(header)
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	own := func(name string) bool { return nameOf(name) == host }
	return own(s.cfg.Listen) || own(s.cfg.AdminListen) || slices.ContainsFunc(s.cfg.Hosts, own)
}

// nameOf is the name in host or host:port, in lower case, without brackets and the dot at its end.
func nameOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// checkHost says what is wrong with a name of serve.hosts.
func checkHost(name string) error {
	if name == "" || strings.ContainsAny(name, ":/*@ ") {
		return fmt.Errorf("serve.hosts %q: want a host name without a port, such as shop.internal", name)
	}
	return nil
}
