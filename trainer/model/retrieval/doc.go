// Package retrieval tunes a sentence encoder to recommend: the encoded history of a user should lie near the title of the
// item that comes next. It gives such an encoder to SOFT as a learner.
//
// A prompt is the user's last titles, newest first. The encoder with its adapter turns it into a vector; the items are the
// frozen base's vectors of their titles (a Table), so that a new item can be ranked from its title alone and no
// item vector goes stale while the adapter moves. The loss is the cross-entropy of the softmax over the whole catalogue
// of cosine/temperature. Items of the history are left out of that softmax: otherwise plain fine-tuning spends its
// gradient on unlearning what the base model does by nature, repeating the history, and every comparison with SOFT
// flatters SOFT. Of the teacher's answers and of the validation they are left out where users do not come back to items.
//
// Real and easy targets of a prompt share one forward pass: they are two columns of one loss. The item space E of SOFT's
// distances is the frozen table, or a map of what is taken after what. Optionally a residual is learnt on the item side (see
// Config.ItemAdapter), several answers of the teacher are soft targets, and they weigh by its confidence.
//
// It owns prompts, tables, batches and the optimiser's steps; the graphs of the model are package lm's and the encoding is
// package encoder's. It promises that the same start, data, passes and seeds give the same bits on one backend.
// An Engine and a Table are safe for concurrent use; a Learner is for one goroutine at a time. No goroutines are started
// beyond those of package lm.
package retrieval
