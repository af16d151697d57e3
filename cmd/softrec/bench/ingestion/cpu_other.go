//go:build !unix

package ingestion

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
