// Package offline evaluates models by leave-last-out: the protocol of the papers, for standing beside their figures.
//
// Each user's last item is the test and the last but one the validation; a model ranks the whole catalogue less what the
// user had before, and ties take the middle of their places. The protocol leaks along the global clock: a model has
// learnt what other users did after the moment it is asked about. Results and reports say so; what counts for a product is the
// streaming protocol.
//
// The package owns the split, the models of this protocol, their fit on the validation part alone, and the files of a run. It
// promises that equal options and files give equal figures on one backend, and that nothing of the test part is read
// before it is asked. It needs a training engine for the models that have a network and an encoder for those that read
// titles; the others run without. Goroutines are started inside calls only, and waited for.
package offline
