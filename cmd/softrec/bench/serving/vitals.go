package serving

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// Vitals is what one load cost the server's process.
type Vitals struct {
	Load          string  `json:"load"`
	CPU           float64 `json:"cpu_us_per_request"`
	Allocations   float64 `json:"allocations_per_request"`
	Bytes         float64 `json:"bytes_per_request"`
	HeapMB        float64 `json:"heap_mb"` // in use afterwards
	ResidentMB    float64 `json:"resident_mb"`
	CollectionsPS float64 `json:"collections"` // of garbage, during the load

	seconds, mallocs, bytes, collections float64
}

// vitals reads the server's own metrics.
func (b *lab) vitals(ctx context.Context) (Vitals, error) {
	var v Vitals
	err := read(ctx, b.admin, map[string]*float64{
		"process_cpu_seconds_total": &v.seconds, "go_memstats_mallocs_total": &v.mallocs, "go_memstats_alloc_bytes_total": &v.bytes,
		"go_memstats_heap_inuse_bytes": &v.HeapMB, "process_resident_memory_bytes": &v.ResidentMB, "go_gc_duration_seconds_count": &v.collections,
	})
	v.HeapMB, v.ResidentMB = v.HeapMB/(1<<20), v.ResidentMB/(1<<20)
	return v, err
}

// read takes metrics from a private port.
func read(ctx context.Context, admin string, into map[string]*float64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("read the server's metrics: %w", err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if to := into[name]; to != nil {
			if *to, err = strconv.ParseFloat(value, 64); err != nil {
				return fmt.Errorf("read the server's metrics: %s: %w", name, err)
			}
		}
	}
	return lines.Err()
}

// since is what happened from before to v, by request of l.
func (v Vitals) since(before Vitals, name string, l Load) Vitals {
	n := max(float64(l.Requests), 1)
	v.Load = name
	v.CPU, v.Allocations, v.Bytes = 1e6*(v.seconds-before.seconds)/n, (v.mallocs-before.mallocs)/n, (v.bytes-before.bytes)/n
	v.CollectionsPS = v.collections - before.collections
	return v
}

// profile takes a CPU profile of the server while a load runs, if profiles are asked for.
func (b *lab) profile(ctx context.Context, name string, loops int) <-chan error {
	done := make(chan error, 1)
	if b.o.Profile == "" {
		done <- nil
		return done
	}
	seconds := max(1, int(float64(loops)*(b.o.Seconds+b.o.Warm.Seconds())))
	go func() { done <- b.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), b.path(name)) }()
	return done
}

func (b *lab) fetch(ctx context.Context, path, file string) error {
	if err := os.MkdirAll(b.o.Profile, 0o755); err != nil {
		return fmt.Errorf("make the folder of the profiles: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.admin+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	return os.WriteFile(file, all, 0o644)
}
