// Command bench compares softrec's training and encoding with PyTorch and PEFT on the same machine, in one run: LoRA steps
// of MiniLM against the whole catalogue, and texts encoded per second.
//
//	go run ./trainer/bench -minilm FOLDER -python venv/bin/python -json result.json
//
// It owns the driver, the worker processes of this binary and torch_step.py. It promises fair pairs: every contestant is a process
// of its own, started before the first measurement; one measures at a time while the others wait without spinning
// (OMP_WAIT_POLICY=passive); their turns alternate in every round (A B C A B C ...), so that a machine that slows down slows all of
// them; compiling and first runs are not timed; medians over rounds are compared. It needs the folder of
// all-MiniLM-L6-v2, a Python with requirements.txt and, for XLA, a PJRT plugin (see package backend); contestants that cannot start are
// left out with a line that says why.
//
// The driver runs one goroutine. Both sides do the same work per measurement, see README.md.
package main
