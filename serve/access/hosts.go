package access

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Hosts are the names that a port is known by, each with or without a port number. Every port is known as localhost, by what ends in
// it and by addresses, too.
type Hosts []string

// Refuse keeps pages out that have a name of theirs lead to this machine (DNS rebinding): to the browser they are of
// one origin with this server, and only Host tells. It looks where strangers are kept out by the address alone: a port on
// loopback, as at says, that is open. Browsers send the name they looked up; an address needs no looking up. The others go through
// to next; refuse writes the answer, with the status 421, to what is refused. setting is where a missing name belongs.
func (h Hosts) Refuse(setting string, at func() net.Addr, open func() bool, refuse func(w http.ResponseWriter, status int, detail string), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Own(r.Host) && open() && Loopback(at()) {
			refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("this server is not known as %.200q: name it in %s if it is", r.Host, setting))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Own reports whether a Host header names this port. Without the header, which every browser sends, it is HTTP/1.0.
func (h Hosts) Own(header string) bool {
	host := nameOf(header)
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(h, func(name string) bool { return nameOf(name) == host })
}

// nameOf is the name in host or host:port, in lower case, without brackets and the dot at its end.
func nameOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// CheckHost says what is wrong with a name that setting adds to Hosts.
func CheckHost(setting, name string) error {
	if name == "" || strings.ContainsAny(name, ":/*@ ") {
		return fmt.Errorf("%s %q: want a host name without a port, such as shop.internal", setting, name)
	}
	return nil
}
