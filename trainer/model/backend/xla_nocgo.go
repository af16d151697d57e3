//go:build !cgo

package backend

import "github.com/gomlx/compute"

// openXLA tells that there is no XLA in this binary.
func openXLA(string) (compute.Backend, error) { return nil, errNoCgo }
