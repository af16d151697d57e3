// Package lm runs language models with gomlx: the weights of a Hugging Face folder, the graphs of the BERT, Llama and Qwen2
// families, and low-rank adapters (package lora) inside them.
//
// A Base holds the weights once, on the device. A Program is a graph function over that base, an adapter and data; teacher,
// student and server share one Base through as many Programs as they need, and none copies the weights. A program that
// trains returns its loss and the gradients of Model.Trainable; the optimiser runs on the host, adapters being small.
//
// It owns the graphs and the device memory of the weights. It promises that a nil or zero adapter computes the base model itself,
// that equal inputs give equal bits on one backend, dropout included (its masks are a hash of a seed in the data), and
// that faults of gomlx come back as errors. It needs a backend (package backend) that outlives the Base.
//
// Goroutines: Programs of one Base may run side by side from any number of goroutines, also one Program with itself. Each
// run starts one goroutine and waits for it, unless the backend hangs: then Run gives ErrStuck, the goroutine
// is lost with its memory, and the Base and its backend must be replaced.
package lm
