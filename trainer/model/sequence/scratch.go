package sequence

import "sync"

// tile is how many item rows Answers scores at a time: tile x MaxLen floats stay in the second-level cache.
const tile = 512

// scratch is the working memory of one inference.
type scratch struct {
	ids              []int32   // known ids of the history, at most MaxLen
	x, h, q, k, v, a []float32 // MaxLen x Dim each: stream, normalised stream, query, key, value, attention out
	f                []float32 // MaxLen x FF
	p                []float32 // MaxLen attention weights
	tile             []float32 // MaxLen x tile scores, made by Answers only
	rows             []answer  // MaxLen, made by Answers only
	scores           []float32 // Vocab, made by ScoresBatch only
}

func newScratchPool(c Config) *sync.Pool {
	return &sync.Pool{New: func() any {
		n := c.MaxLen * c.Dim
		buf := make([]float32, 6*n)
		return &scratch{
			ids: make([]int32, 0, c.MaxLen),
			x:   buf[:n], h: buf[n : 2*n], q: buf[2*n : 3*n], k: buf[3*n : 4*n], v: buf[4*n : 5*n], a: buf[5*n:],
			f: make([]float32, c.MaxLen*c.FF),
			p: make([]float32, c.MaxLen),
		}
	}}
}
