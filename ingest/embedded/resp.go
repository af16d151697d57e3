package embedded

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/alicebob/miniredis/v2/server"
)

// errReply is an error that miniredis answered.
type errReply string

// Error is the reply's text.
func (e errReply) Error() string { return string(e) }

// local sends commands to miniredis from inside the process, without a connection.
type local struct {
	server *server.Server
	peer   *server.Peer
	out    bytes.Buffer
}

func newLocal(s *server.Server) *local {
	l := &local{server: s}
	l.peer = server.NewPeer(bufio.NewWriter(&l.out))
	return l
}

// do runs one command. Replies are nil, string, int64 or []any of these; an error reply is an error.
func (l *local) do(args ...string) (any, error) {
	l.out.Reset()
	l.server.Dispatch(l.peer, args)
	l.peer.Flush()
	rest := l.out.Bytes()
	reply, err := readReply(&rest)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	if failed, ok := reply.(errReply); ok && err == nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	return reply, nil
}

var errShortReply = errors.New("reply is cut off")

// readReply takes one RESP2 reply off b.
func readReply(b *[]byte) (any, error) {
	end := bytes.Index(*b, []byte("\r\n"))
	if end < 1 {
		return nil, errShortReply
	}
	kind, line := (*b)[0], string((*b)[1:end])
	*b = (*b)[end+2:]
	switch kind {
	case '+':
		return line, nil
	case '-':
		return errReply(line), nil
	case ':':
		return strconv.ParseInt(line, 10, 64)
	}
	n, err := strconv.Atoi(line)
	if err != nil {
		return nil, err
	}
	switch {
	case kind == '$' && n < 0, kind == '*' && n < 0:
		return nil, nil
	case kind == '$':
		if len(*b) < n+2 {
			return nil, errShortReply
		}
		s := string((*b)[:n])
		*b = (*b)[n+2:]
		return s, nil
	case kind == '*':
		return readArray(b, n)
	}
	return nil, fmt.Errorf("reply of kind %q", kind)
}

func readArray(b *[]byte, n int) (any, error) {
	if n > len(*b) { // each element takes more than a byte
		return nil, errShortReply
	}
	all := make([]any, n)
	for i := range all {
		v, err := readReply(b)
		if err != nil {
			return nil, err
		}
		all[i] = v
	}
	return all, nil
}

// texts is a reply that must be an array of strings.
func texts(reply any) ([]string, error) {
	arr, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("reply is a %T, want an array", reply)
	}
	all := make([]string, len(arr))
	for i, v := range arr {
		if all[i], ok = v.(string); !ok {
			return nil, fmt.Errorf("element %d is a %T, want a string", i, v)
		}
	}
	return all, nil
}
