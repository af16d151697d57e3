//go:build cgo

package backend

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
)

// openXLA loads the plugin at an absolute path.
func openXLA(path string) (compute.Backend, error) {
	xla.EnableAutoInstall(false) // it read its variable before main did anything
	return xla.New(path)
}
