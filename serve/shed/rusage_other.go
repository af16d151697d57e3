//go:build !unix

package shed

import (
	"runtime"
	"time"
)

// processTime says, where the system is not asked, that all processors were used all the time: every wait is taken for one's
// own. Only differences of it count.
func processTime() time.Duration {
	return time.Duration(time.Now().UnixNano()) * time.Duration(runtime.GOMAXPROCS(0))
}
