package serving

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client is one connection that is kept open. It costs a fraction of http.Client, which would take as much of the machine as the
// server that it measures.
type client struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body bytes.Buffer
}

func newClient(addr string) *client { return &client{addr: addr} }

// patience is how long one answer may take before it counts as failed.
const patience = 10 * time.Second

// get asks for a path and returns the status and the body, which is good until the next call. After an error the next call dials again.
func (c *client) get(path string) (status int, body []byte, err error) {
	c.out = append(append(append(append(c.out[:0], "GET "...), path...), " HTTP/1.1\r\nHost: "...), c.addr...)
	c.out = append(c.out, "\r\n\r\n"...)
	return c.do()
}

// post sends a JSON body.
func (c *client) post(path string, body []byte) (status int, answer []byte, err error) {
	c.out = fmt.Appendf(c.out[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, c.addr, len(body))
	c.out = append(c.out, body...)
	return c.do()
}

func (c *client) do() (status int, body []byte, err error) {
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.addr, patience); err != nil {
			return 0, nil, err
		}
		c.in = bufio.NewReader(c.conn)
	}
	status, err = c.exchange()
	if err != nil {
		c.close()
		return 0, nil, err
	}
	return status, c.body.Bytes(), nil
}

func (c *client) exchange() (int, error) {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	c.body.Reset()
	if _, err := io.Copy(&c.body, resp.Body); err != nil {
		return 0, err
	}
	if resp.Close {
		c.close()
	}
	return resp.StatusCode, resp.Body.Close()
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is lost with it
		c.conn = nil
	}
}
