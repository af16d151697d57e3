// Package bench is `softrec bench train` and `softrec bench quality`: the speed of a training step of the sequence model, and the time
// its training takes up to a quality, beside a PyTorch script of the same model, on this machine, in one run.
//
// It owns the choice of contestants, the check that they compute the same losses, and the result; how contestants take
// turns is package pairs', what they do is package seqstep's. It promises no ratio of steps for contestants whose losses differ. softrec's
// own contestants are this binary started again as `softrec bench worker`; PyTorch's is a Python with torch, without which times
// are shown and no ratios. Nothing is downloaded; the data of steps are synthetic. It starts processes, ends them, and starts no goroutine.
package bench
