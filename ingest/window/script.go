package window

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

//go:embed swap.lua
var swapSource string

//go:embed names.lua
var namesSource string

// newSwap and newAppend return the scripts under the names (SHA-1) by which servers and Natives know them.
func newSwap() *redis.Script   { return redis.NewScript(swapSource) }
func newAppend() *redis.Script { return redis.NewScript(namesSource) }

// How many values each script takes: see swap.lua and names.lua.
const (
	swapValues   = 3
	appendValues = 3
)
