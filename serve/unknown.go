package serve

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// refuseUnknown answers 422 to query parameters that an operation does not have: a misspelt filter that is passed over shows
// items that were not to be shown. A request without parameters costs nothing.
func refuseUnknown(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		u := ctx.URL()
		if u.RawQuery == "" {
			next(ctx)
			return
		}
		if details := unknown(u.RawQuery, ctx.Operation().Parameters); len(details) > 0 {
			_ = huma.WriteErr(api, ctx, http.StatusUnprocessableEntity, "validation failed", details...) // the client may be gone
			return
		}
		next(ctx)
	}
}

// unknown lists the parameters of a query that are not among those known, in the order of their names.
func unknown(raw string, known []*huma.Param) (details []error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return []error{&huma.ErrorDetail{Message: "the query cannot be read: " + err.Error(), Location: "query"}}
	}
	var names []string
	for _, p := range known {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	var bad []string
	for name := range query {
		if !slices.Contains(names, name) {
			bad = append(bad, name)
		}
	}
	slices.Sort(bad)
	slices.Sort(names)
	says := "there are none here"
	if len(names) > 0 {
		says = "known are " + strings.Join(names, ", ")
	}
	const shown = 10
	for _, name := range bad[:min(len(bad), shown)] {
		short := name[:min(len(name), 64)]
		details = append(details, &huma.ErrorDetail{Message: fmt.Sprintf("there is no such parameter; %s", says), Location: "query." + strings.ToValidUTF8(short, "?"), Value: strings.ToValidUTF8(query.Get(name)[:min(64, len(query.Get(name)))], "?")})
	}
	return details
}
