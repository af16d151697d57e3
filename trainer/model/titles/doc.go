// Package titles turns a catalogue's titles into what language models work on: prompt texts, vectors to search, and a
// trie of token ids that holds a decoder to real titles.
//
// Render makes the text of a history, the same in training and in serving. Index finds the nearest title vectors,
// exactly. Trie knows which tokens may follow a prefix. All three are plain Go, hold no network, and keep up with a
// catalogue that changes: Index and Trie allow one writer beside any number of readers, and a reader sees a
// change whole or not at all. No goroutines are started.
package titles
