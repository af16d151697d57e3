// Package nearest finds the rows of a table with the greatest inner products with a query, without looking at most of them.
//
// It owns one index, an inverted file: rows are grouped around centres by k-means, and a query looks only into the lists whose centres
// suit it best. How many lists that are is measured when the index is built, on rows of the table with noise as queries, so that the recall among
// the best ten is at least the one wanted there. It promises that building is the same for the same table and seed, that a search is exact
// when it may look into every list, and that Decode refuses what Build could not have made. An index takes 4 bytes a row and the centres, some thousandths of
// the table; the vectors stay in the table, which the caller keeps. It needs memory for the sample that the centres are learnt on. Build
// starts goroutines and waits for them; nothing else does. See docs/decisions/0010-approximate-search.md.
package nearest
