// Package hf reads and writes a Hugging Face model folder: config.json, the weights in safetensors files and, for sentence
// encoders, the pooling.
//
// Owns: the architecture a folder declares (Config) and its tensors by name. Package fetch below it finds the folder.
// Promises: what it returns has been checked: every size is positive and consistent, every tensor lies inside its file and has the
// length its shape says; what softrec cannot compute exactly (an unknown rope scaling, a sliding window in use) is refused by name
// and value, never approximated. Damaged or hostile files give errors, not panics or huge allocations.
// Needs: files on disk. It knows nothing of gomlx, so the server may import it.
// Goroutines: starts none of its own. A Folder and a File are safe for concurrent reads.
package hf
