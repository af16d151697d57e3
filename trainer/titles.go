package trainer

import (
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/model/words"
)

// Catalogue knows what items are called; ingest/catalog.View is one. It is safe for concurrent use.
type Catalogue interface {
	// Item returns an item that is in the catalogue now.
	Item(id string) (schema.Item, bool)
}

// named is a vocabulary with the words of its items' titles, nil for none.
type named struct {
	Vocab *vocab.Vocab
	Words *words.Table
}

// named looks the titles up. The catalogue goes on while a round runs, so a round asks once.
func (r *rounds) named(v *vocab.Vocab) named {
	out := named{Vocab: v}
	if r.titles == nil {
		return out
	}
	titles := make([]string, v.Len())
	for i := range titles {
		if it, ok := r.titles.Item(v.ID(int32(i))); ok {
			titles[i] = it.Title
		}
	}
	if t := words.Build(titles); t.Titled() > 0 {
		out.Words = t
	}
	return out
}
