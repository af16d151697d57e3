package broker

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		o := newOutage(slog.New(slog.NewTextHandler(&out, nil)), DefaultConfig().explain)
		for range 60 { // 12 s
			o.warn("fetch again", errors.New("away"))
			time.Sleep(200 * time.Millisecond)
		}
		o.warn("join again", errors.New("away"))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 || !strings.Contains(lines[0], "times=1") || !strings.Contains(lines[1], "times=25") || !strings.Contains(lines[3], "join") {
			t.Errorf("logged:\n%s", out.String())
		}
	})
}
