package broker

import (
	"net"
	"strings"
	"testing"
	"time"
)

// A port that speaks another protocol is named within seconds, with what it said, and nobody tries again. kafka-go once read the size of a
// list out of such an answer, took memory for it and did so again and again, and the only word was that time had run out.
func TestAwaitTopics_anotherProtocol(t *testing.T) {
	for name, answer := range map[string]string{
		"HTTP": "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request", "Redis": "-ERR unknown command\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 1<<10))
					_, _ = conn.Write([]byte(answer))
					_ = conn.Close()
				}
			}()
			t.Cleanup(func() { _ = l.Close(); <-done })
			cfg := DefaultConfig()
			cfg.Brokers = []string{l.Addr().String()}
			err = EnsureTopics(within(t, 8*time.Second), cfg, TopicSpec{Name: "t", Partitions: 1})
			for _, want := range []string{l.Addr().String(), "does not speak Kafka: see kafka.brokers", answer[:12]} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want it to say %q", err, want)
				}
			}
		})
	}
}
