// Package ranker puts the parts of a model together: vocabulary, counts, sequence network (when there is one) and
// mixer make a Bundle (with the words of the items' titles, where they have some), and a Bundle answers "what does this user do next".
//
// It owns the candidates, the columns the mixer reads and the file names of a snapshot. The trainer (prequential
// scores, gate) and the server rank with this very code, and the mixer's training cases come from it, so that training
// and serving cannot drift apart. It promises: answers hold distinct items, only allowed ones, and min(n, allowed items of the
// vocabulary) of them; equal requests have equal answers; a decoded bundle answers as the encoded one did. Items without
// any interaction are not in the vocabulary: they are in an answer only where a language model's Text names them, and
// filling up from the catalogue is the caller's. A bundle without a language model has no columns for one and answers
// as if there were none to have.
// A Bundle is immutable and may be used by any number of goroutines. It starts none.
//
// A request goes: window -> indices (unknown items left out) -> candidates (the window's items, and the best of
// every source) -> columns -> mixer -> top n.
package ranker
