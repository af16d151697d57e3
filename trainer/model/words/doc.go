// Package words says how alike items are by the words of their titles: what a shop's catalogue knows of an item from its first
// day, before anybody has bought it together with anything.
//
// It owns the words, their weights and the binary form. A title is a bag of lower-case words of letters and digits (a script
// without spaces is one word per run, which says little); a word weighs the more the fewer titles have it (inverse document frequency, Spärck
// Jones 1972), words of one title or of very many weigh nothing, and likeness is the cosine. It promises that equal titles in equal order
// give equal bytes and equal answers, that memory is bounded by 32 words a title, and that a request costs no pass over the catalogue.
// It needs dense item indices (package vocab). A Table that nobody adds to may be read by any number of goroutines. It starts none.
package words
