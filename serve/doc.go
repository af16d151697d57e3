// Package serve answers "what next for this user?" over HTTP.
//
// # The road of one request
//
// GET /v1/recommend/{user} loads the live model once (an atomic pointer that a watcher swaps), reads the user's window
// and the version of the catalogue in one Redis round trip, which requests that come together share, lets the catalogue view catch up when that version moved,
// and ranks the window as it is now. A list is cached by (user, window, model version, catalogue version, parameters):
// a new click, a new model and a withdrawn item each make a new key, so nothing has to be thrown out and nothing stale
// can be found.
//
// # What it promises
//
//   - An accepted event is on the interactions topic (acks=all) before POST /v1/events answers.
//   - Withdrawn and excluded items never appear. A DELETE of an item that answered 200 holds for every request that
//     starts after it, on every server that reaches Redis. While Redis is away a server answers from the catalogue it
//     saw last, and says so in the answer's field "degraded".
//   - n items are returned whenever n allowed ones exist: the model's list is filled up with the newest items.
//   - No request fails because of a model swap, a missing model, a bad snapshot or a Redis that is away.
//   - Every error is an RFC 9457 problem document, also the 404 and 405 of net/http; only what it refuses before there is
//     a request (broken HTTP, headers above max_header_bytes) is plain text.
//
// # What it needs
//
// Deps names everything as small interfaces; cmd wires them. This package never sees a Kafka client, and no training
// code: a test holds both. The Redis client should be built with Config.RedisOptions, so that a hanging server costs a
// request no more than redis_timeout.
//
// # Goroutines
//
// New starts none. A request may start one that makes round trips to Redis until nobody waits for one, at most two at a time, and one
// that outlives it by a round trip when its client left meanwhile. The model watcher reads a new snapshot in one of its own, with a low
// priority, and waits for it. Run starts the two HTTP servers, the model watcher, the catalogue follower, the one poller behind
// all /v1/live streams, one that writes impressions, one that follows the models of arms and one that computes shadows on a thread of low
// priority, and returns after all of them ended.
package serve
