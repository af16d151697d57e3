package serve

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/softrec/softrec/schema"
)

// brittle panics when it is followed, for a while.
type brittle struct {
	Catalogue
	panics atomic.Int64
}

func (b *brittle) Sync(ctx context.Context) error {
	if b.panics.Add(-1) >= 0 {
		panic("bad catalogue")
	}
	return b.Catalogue.Sync(ctx)
}

// A panic in a loop that no request waits for must not end the server, and the loop must go on afterwards.
func TestRun_panicInALoopIsContained(t *testing.T) {
	var cat *brittle
	st := newStack(t, func(_ *Config, d *Deps) {
		cat = &brittle{Catalogue: d.Catalogue}
		d.Catalogue = cat
	}).stock(3)
	api, _ := st.serving()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	eventually(t, "the first answer", func() bool { code, _ := get(t, client, "http://"+api+"/v1/popular"); return code == 200 })
	cat.panics.Store(1)
	eventually(t, "the panic is counted", func() bool {
		return strings.Contains(string(ask(t, st.s.Admin(), "GET", "http://localhost/metrics", "").Body), "softrec_serve_panics_total 1\n")
	})
	it := schema.Item{ID: "late"}
	if err := st.shelf.apply(it.ID, &it); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loop goes on", func() bool { _, ok := cat.Item("late"); return ok })
	if !strings.Contains(st.logs.String(), "bad catalogue") {
		t.Error("the log does not say what happened")
	}
}
