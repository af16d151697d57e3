package window

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

//go:embed window.lua
var source string

// newScript returns the script under the name (SHA-1) by which servers and Natives know it.
func newScript() *redis.Script { return redis.NewScript(source) }

// opAppend and opForget are the second value of a record in the script's arguments.
const (
	opAppend = "a"
	opForget = "f"
)

// valuesPerRecord and fixedValues describe the script's arguments: see window.lua.
const (
	fixedValues     = 3
	valuesPerRecord = 5
)
