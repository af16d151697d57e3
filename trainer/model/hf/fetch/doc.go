// Package fetch gives the local folder of a model that is named by a path or as "hf:owner/name[@revision]".
//
// Owns: the cache of downloaded models, laid out as Hugging Face's own tools lay theirs out (blobs, snapshots, refs).
// Promises: a folder it returns is complete, and every file in it has the size and the checksum the hub states (SHA-256 for large
// files, git's SHA-1 for small ones). An interrupted download goes on where it stopped. What is cached needs no network.
// Needs: a hub that speaks Hugging Face's protocol, once per model. Only the files softrec reads are fetched.
// Goroutines: one while the hub is asked what a model holds, which ends with the answer.
//
// What a model holds comes from go-huggingface. The bytes do not: version 0.4.0 of it checks no sum, starts an interrupted file from
// its beginning, takes the storage's etag for the file's behind a redirect, and deletes what it knew of a model when it is offline.
package fetch
