// Package textlive keeps a language model ready while the catalogue changes: every title can be recommended soon after
// it arrived, and a history can be read and scored at any time. Trainer and server of one process share one Runtime, and
// with it the model's weights.
//
// There are two kinds of models. Encoders (the BERT family) give every title a vector: the frozen base's, so that it is
// right under every adapter, and tuning moves how a history is read, never where an item lies. A reading is a vector
// too, and its score the softmax over all titles. Vectors are kept on disk by model and title, those used last of at
// most twice the titles there may be, so that a restart, or a catalogue that fills anew, encodes only what is new. Of
// the processes that share a folder the first keeps vectors, the others read what they found. Decoders (Llama, Qwen2)
// need no vectors: titles stand in a trie, and a reading is what beam search held to it writes after the history, with
// the probabilities of these titles. With either, an item can be recommended before anybody clicked it. The two kinds
// are the implementations of two interfaces, family (loading, training) and Reader (following, reading); nothing else
// knows that there are two.
//
// It owns titles, vectors and their file, and promises: readers never wait for the encoding of titles; a Reading stays
// right while the catalogue changes, and scoring it sees the catalogue as it is then, but for a decoder's, which can
// lose items and not gain those that came after it; titles that changed are encoded newest first, and however fast the
// catalogue changes all have their turn as long as the model keeps up; a file of vectors that is damaged or cannot be
// written costs time, never a title or a wrong vector; a model that hangs is replaced by one on a new backend, of the
// same files. Run is the one goroutine that writes, the caller's; everything else may be called by any number of
// goroutines.
package textlive
