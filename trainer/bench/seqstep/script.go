package seqstep

import (
	_ "embed" // the script travels with the binary
)

//go:embed torch_sequence.py
var script []byte

// Script is the PyTorch side: a Python program that takes --folder and --threads and then answers as Serve does. It needs torch alone.
func Script() []byte { return script }
