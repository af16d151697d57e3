//go:build !cgo

package backend

import (
	"errors"

	"github.com/gomlx/compute"
)

// errNoCgo means that the binary holds no XLA.
var errNoCgo = errors.New("this binary was built without cgo and cannot load PJRT plugins")

// openXLA tells that there is no XLA in this binary.
func openXLA(string) (compute.Backend, error) { return nil, errNoCgo }
