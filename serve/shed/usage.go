package shed

import (
	"runtime"
	"time"
)

// usage follows the share of its processors that the process uses, smoothed over about memory ticks.
type usage struct {
	cpu   time.Duration
	at    time.Time
	share float64
}

const memory = 16

// since takes what the process has used by now and returns the share.
func (u *usage) since(cpu time.Duration, at time.Time) float64 {
	passed := at.Sub(u.at) * time.Duration(processors())
	if passed > 0 {
		u.share += (min(float64(cpu-u.cpu)/float64(passed), 1) - u.share) / memory
	}
	u.cpu, u.at = cpu, at
	return u.share
}

// processors are those the process can use: Go may have been given more turns than there are.
func processors() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }
