//go:build !softrec_broken

package ingest

import "time"

// commitFirst is false: what is committed is applied. A build with the tag softrec_broken has the order the wrong way round, for the
// test that `softrec chaos` finds out; no other build can.
const commitFirst = false

// commitLead is nothing here.
const commitLead time.Duration = 0
