package serve

import (
	"strings"
	"sync"

	"github.com/softrec/softrec/schema"
)

// search finds items by title for people; recommendations do not pass here. It keeps the titles in lower case for one
// version of the catalogue, about 100 bytes an item.
type search struct {
	catalogue Catalogue

	mu      sync.Mutex
	built   bool
	version int64
	ids     []string // newest first
	titles  []string // lower case, beside ids
}

// find returns up to limit items and how many match: every word of query stands in the title, or the id begins with
// query. Titles that begin with the query come first, else the newest do.
func (s *search) find(query string, limit int) ([]schema.Item, int) {
	ids, titles := s.index()
	query = strings.ToLower(strings.TrimSpace(query))
	words := strings.Fields(query)
	var first, rest []string
	for i, id := range ids {
		switch {
		case query == "":
			rest = append(rest, id)
		case strings.HasPrefix(titles[i], query) || strings.HasPrefix(strings.ToLower(id), query):
			first = append(first, id)
		case containsAll(titles[i], words):
			rest = append(rest, id)
		}
	}
	found := append(first, rest...)
	items := make([]schema.Item, 0, min(limit, len(found)))
	for _, id := range found {
		if len(items) == limit {
			break
		}
		if it, ok := s.catalogue.Item(id); ok { // else it was withdrawn since
			items = append(items, it)
		}
	}
	return items, len(found)
}

// index returns ids and titles of the catalogue as it is now. Both are replaced, never changed.
func (s *search) index() ([]string, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := s.catalogue.Version()
	if s.built && version == s.version {
		return s.ids, s.titles
	}
	s.ids = s.catalogue.Newest(s.catalogue.Len())
	s.titles = make([]string, len(s.ids))
	for i, id := range s.ids {
		it, _ := s.catalogue.Item(id)
		s.titles[i] = strings.ToLower(it.Title)
	}
	s.built, s.version = true, version
	return s.ids, s.titles
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
