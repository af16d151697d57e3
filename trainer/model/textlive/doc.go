// Package textlive keeps a language model ready while the catalogue changes: every title has its vector soon after it
// arrived, and a history can be read and scored at any time. Trainer and server of one process share one Runtime, and
// with it the model's weights.
//
// The vectors are the frozen base's, so they are right under every adapter: tuning moves how a history is read, never
// where an item lies. An item can be recommended as soon as its title is encoded, before anybody clicked it. Vectors
// are kept on disk by model and title, so that a restart encodes only what is new.
//
// It owns titles, vectors and their file, and promises: readers never wait for the encoding of titles; a Reading stays
// right while the catalogue changes, and scoring it sees the catalogue as it is then; titles that changed are encoded
// newest first; a damaged file of vectors costs time, never a wrong vector. It needs an encoder (package encoder) that
// may be used from several goroutines. Run is the one goroutine that writes, the caller's; everything else may be called by
// any number of goroutines.
package textlive
