// Package tokens turns texts into the token ids of a pretrained model and back, from the tokenizer.json of its folder.
//
// Owns: normalising, splitting, and the four token models of Hugging Face's tokenizers that softrec's families use: WordPiece
// (BERT), byte-level BPE (Qwen2, Llama 3), BPE with byte fallback (Llama 2) and WordLevel (small models trained from scratch).
// Promises: the ids and the decoded text of Hugging Face's tokenizers library, held to by fixtures; a part of a tokenizer.json that
// this package does not know is refused by name when the file is opened, never guessed. Truncation and padding of the file are not
// applied: a caller cuts. What a letter, a mark and a sign of punctuation is comes from Go's Unicode tables; the reference carries an
// older one for BERT, so some 570 rare characters, added to Unicode after 2015, can come out differently.
// Needs: tokenizer.json, and beside it tokenizer_config.json, special_tokens_map.json or config.json for the special ids.
// Goroutines: starts none. A Tokenizer is safe for concurrent use.
//
// Written here and not taken from go-huggingface v0.4.0, whose hftokenizer splits byte-level texts at spaces only, gives up on
// patterns with a look-ahead, knows no byte fallback and merges in quadratic time: its ids are not those a model was trained with.
package tokens
