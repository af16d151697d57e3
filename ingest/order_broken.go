//go:build softrec_broken

package ingest

// commitFirst is true: this build loses what is committed and not applied yet when it is killed. See order.go.
const commitFirst = true
