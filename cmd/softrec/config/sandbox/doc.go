// Package sandbox lets a command run processes of softrec beside a softrec that is at work: on its Kafka and Redis, and on its machine.
//
// It owns the names below which such processes write. It promises that topics, groups and keys of the run are nobody else's and can be removed
// again without touching what was there, and that the processes have the settings of the command that starts them but for those that only one
// process of a machine can have. It needs a name that nobody else uses. It starts no goroutine.
package sandbox
