//go:build softrec_broken

package ingest

import "time"

// commitFirst is true: this build loses what is committed and not applied yet when it is killed. See order.go.
const commitFirst = true

// commitLead is how long a batch is committed and not applied: longer than the pause between commits that wait for a store to be
// durable, so that a kill at any moment loses something.
const commitLead = 1500 * time.Millisecond
