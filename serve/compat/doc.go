// Package compat reads what clients of two other open recommenders send, so that a team can try softrec before it changes
// its programs: feedback and items of Gorse (https://gorse.io), events of Metarank (https://metarank.ai).
//
// It owns the reading alone: a body becomes interactions, items and a count of what has no counterpart here, each fault a
// *schema.FieldError at its place. It promises that the same body gives the same event ids, so that a client's retry counts
// once. It needs nothing, starts no goroutine and does no I/O; serve mounts it.
package compat
