package serve

import "github.com/softrec/softrec/schema"

// crowd is the users that are to be forgotten.
type crowd struct {
	everybody bool
	named     map[string]struct{}
}

// crowdOf is the users of some receipts.
func crowdOf(receipts ...[]schema.Deletion) crowd {
	c := crowd{named: map[string]struct{}{}}
	for _, list := range receipts {
		for _, d := range list {
			c.named[d.UserID] = struct{}{}
		}
	}
	return c
}

func (c crowd) has(user string) bool {
	_, named := c.named[user]
	return named || c.everybody
}

func (c crowd) empty() bool { return !c.everybody && len(c.named) == 0 }
