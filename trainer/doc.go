// Package trainer keeps the model fresh: it follows the interactions topic, scores every interaction with the live model
// before learning from it, and works in rounds of Self-Optimized Fine-Tuning (trainer/soft) whose candidate goes live
// only through a gate.
//
// The gate is a paired test by user with a stated error rate, on interactions that neither model has seen (decide.go says
// what is taken for granted and what has to be shown), behind a guard against broken and collapsed lists (guard.go).
// Trials (trial.go) go on with the test on the stream: a candidate may have to stand in the shadow of the live model
// before it goes live, and the predecessor of a new live model is kept beside it for a while, to go back to when it does
// significantly better. A pointer that a person has moved is left where it is.
//
// It owns its position in Kafka (explicit offsets, no consumer group), a replay of every user's window, the model in
// training, the replay buffer and a checkpoint of all of these; it writes snapshots (trainer/snapshot), moves the
// pointer to the live one, and records every round in softrec.rounds and in Redis.
//
// It promises: an interaction is an example once, also across kill -9 (the checkpoint carries offsets, and a round that
// was cut off is run again from the state before it); the context of a target is the window as it stood before the target's
// basket; the same offsets, seed and configuration give the same snapshot hash on one backend, in whatever order the
// partitions were read (with a language model, as long as the same titles are at hand when a round begins, and none comes
// or goes, and no read fails, while it runs); what a user did before a deletion that has a receipt when it starts, or whose
// tombstone was read, is learnt by no round (erasures.go has the bounds); no figure it reports was measured on interactions
// the scorer had learnt from.
//
// Run starts goroutines and waits for all of them: the collector reads and scores, the round trains on the cut the
// collector hands over, and with a language model a third answers some of the baskets to be scored, so that the
// collector need not wait for it. They share nothing but that cut, those baskets and the immutable live bundle.
package trainer
