package serve

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
)

// RuleParams are the query parameters of a list's rules. huma calls Resolve, which reads them in one pass: a request
// without a query pays nothing for them.
type RuleParams struct{ spec *rules.Spec }

// unseen are the parameters of a list without what its user had: a rule, which holds beside those of the placement and the arm.
func unseen() (RuleParams, error) {
	seen, err := rules.ParseSeen("true")
	return RuleParams{spec: &rules.Spec{FilterSeen: &seen}}, err
}

// Resolve reads the parameters. Its errors are *huma.ErrorDetail.
func (p *RuleParams) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	if u.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return []error{&huma.ErrorDetail{Message: err.Error(), Location: "query"}}
	}
	var faults []error
	for _, name := range ruleNames() {
		for _, value := range query[name] {
			if p.spec == nil {
				p.spec = &rules.Spec{}
			}
			if err := setRule(p.spec, name, value); err != nil {
				faults = append(faults, &huma.ErrorDetail{Message: err.Error(), Location: "query." + name, Value: cut(value)})
			}
		}
	}
	return faults
}

// cut bounds what an error repeats of a value.
func cut(v string) string { return strings.ToValidUTF8(v[:min(len(v), 64)], "?") }

// ruleNames are the parameters in the order in which they are read.
func ruleNames() []string {
	names := []string{"filter_seen"}
	for _, p := range ruleParameters() {
		names = append(names, p.Name)
	}
	return names
}

// ruleParameters describes the parameters of every list.
func ruleParameters() []*huma.Param {
	text := &huma.Schema{Type: huma.TypeString}
	list := &huma.Schema{Type: huma.TypeArray, Items: text}
	flag := &huma.Schema{Type: huma.TypeBoolean}
	share := &huma.Schema{Type: huma.TypeNumber, Minimum: ptr(0.0), Maximum: ptr(1.0)}
	param := func(name string, s *huma.Schema, doc string) *huma.Param {
		p := &huma.Param{Name: name, In: "query", Schema: s, Description: doc}
		if s == list {
			p.Explode = ptr(true)
		}
		return p
	}
	return []*huma.Param{
		param("placement", text, "the server's named rules that these go over"),
		param("filter", text, `expression an item must match, for example category in ["bags"] && price < 20 && in_stock`),
		param("boost", list, `FACTOR:EXPRESSION, multiplies the odds of items that match; repeat it for more`),
		param("cap", list, "items of a category at most on a page: COUNT for every category or CATEGORY:COUNT; repeat it for more"),
		param("mmr_lambda", share, "diversity by maximal marginal relevance: 1 looks at scores alone, 0 only at how unlike items are to those above"),
		param("explore", share, "probability that a place is drawn instead of given to the best; items carry their propensity"),
		param("explore_by", &huma.Schema{Type: huma.TypeString, Enum: []any{rules.ExploreSoftmax, rules.ExploreUniform}}, "the odds of a draw: softmax of the scores (default) or all equal"),
		param("temperature", &huma.Schema{Type: huma.TypeNumber}, "of the softmax (default 1)"),
		param("seed", text, "decides the draws, so that a list can be repeated; the recommendation id when absent"),
		param("pin", list, "POSITION:ITEM puts an item at a place, counted from 1 over all pages; repeat it for more"),
		param("min_score", &huma.Schema{Type: huma.TypeNumber}, "leave out items with a lower score, boosts counted"),
		param("paged", flag, "the answer has the token of its next page"),
		param("after", text, "the token next of the page before"),
	}
}

// seenParameter describes the parameter of lists that have a user.
func seenParameter() *huma.Param {
	return &huma.Param{Name: "filter_seen", In: "query", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "leave out items of the user's window: true for all, or TYPE:AGE,... such as view:7d,purchase:* (AGE * = however old, TYPE * = any)"}
}

// setRule puts one parameter into spec.
func setRule(spec *rules.Spec, name, value string) (err error) {
	switch name {
	case "filter_seen":
		var seen rules.Seen
		if seen, err = rules.ParseSeen(value); err == nil {
			spec.FilterSeen = &seen
		}
	case "placement":
		spec.Placement = value
	case "filter":
		if spec.Filter = value; value == "" {
			err = errors.New("is empty")
		}
	case "boost":
		factor, when, ok := strings.Cut(value, ":")
		b := rules.Boost{When: strings.TrimSpace(when)}
		if b.Factor, err = strconv.ParseFloat(strings.TrimSpace(factor), 64); err != nil || !ok {
			return errors.New("want FACTOR:EXPRESSION")
		}
		spec.Boosts = append(spec.Boosts, b)
	case "cap":
		err = setCap(spec, value)
	case "pin":
		place, item, ok := strings.Cut(value, ":")
		pin := rules.Pin{Item: item}
		if pin.Position, err = strconv.Atoi(place); err != nil || !ok {
			return errors.New("want POSITION:ITEM")
		}
		spec.Pins = append(spec.Pins, pin)
	case "mmr_lambda":
		spec.MMRLambda, err = parseNumber(value)
	case "min_score":
		spec.MinScore, err = parseNumber(value)
	case "explore", "explore_by", "temperature", "seed":
		err = setExplore(spec, name, value)
	case "paged":
		if spec.Paged, err = strconv.ParseBool(value); err != nil {
			err = errors.New("want true or false")
		}
	case "after":
		spec.After = value
	default:
		err = errors.New("is not known")
	}
	return err
}

func setCap(spec *rules.Spec, value string) error {
	category, count := rules.AnyCategory, value
	if at := strings.LastIndexByte(value, ':'); at >= 0 {
		category, count = value[:at], value[at+1:]
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return errors.New("want COUNT or CATEGORY:COUNT")
	}
	if spec.Caps == nil {
		spec.Caps = map[string]int{}
	}
	spec.Caps[category] = n
	return nil
}

func setExplore(spec *rules.Spec, name, value string) error {
	if spec.Explore == nil {
		spec.Explore = &rules.Explore{}
	}
	var n *float64
	var err error
	switch name {
	case "explore_by":
		spec.Explore.By = value
	case "seed":
		spec.Explore.Seed = value
	case "temperature":
		if n, err = parseNumber(value); err == nil {
			if spec.Explore.Temperature = *n; *n == 0 {
				err = errors.New("want more than 0")
			}
		}
	default:
		if n, err = parseNumber(value); err == nil {
			spec.Explore.Share = *n
		}
	}
	return err
}

func parseNumber(value string) (*float64, error) {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return nil, errors.New("want a number")
	}
	return &f, nil
}

// queryNames maps the fields of a Spec to the parameters they come from.
func queryName(field string) string {
	name, _, _ := strings.Cut(field, "[")
	switch name {
	case "boosts":
		return "boost"
	case "caps":
		return "cap"
	case "pins":
		return "pin"
	case "categories":
		return "category"
	case "explore.share":
		return "explore"
	case "explore.by":
		return "explore_by"
	case "explore.temperature":
		return "temperature"
	case "explore.seed":
		return "seed"
	default:
		return name
	}
}

// badRules is the 422 of rules that came from the query or from a body.
func badRules(from string, err error) error {
	if from != "query" {
		return invalid(from, err)
	}
	var details []error
	for _, f := range fieldErrors(err) {
		details = append(details, &huma.ErrorDetail{Message: f.Reason, Location: "query." + queryName(f.Field), Value: f.Value})
	}
	if details == nil {
		return invalid(from, err)
	}
	return problem(422, "validation failed", details...)
}

func idSchema() *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, MaxLength: ptr(schema.MaxIDLen)}
}

// rulesSchema describes a body of rules with more properties beside them.
func rulesSchema(more map[string]*huma.Schema) *huma.Schema {
	number := func(low, high float64) *huma.Schema {
		return &huma.Schema{Type: huma.TypeNumber, Minimum: &low, Maximum: &high}
	}
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	list := func(of *huma.Schema, most int) *huma.Schema {
		return &huma.Schema{Type: huma.TypeArray, Items: of, MaxItems: &most}
	}
	object := func(required []string, properties map[string]*huma.Schema) *huma.Schema {
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Required: required, Properties: properties}
	}
	expression := func() *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, MaxLength: ptr(rules.MaxExpression), Description: "an expression over an item, see docs/api.md"}
	}
	p := map[string]*huma.Schema{
		"placement":   text("the server's named rules that these go over"),
		"n":           {Type: huma.TypeInteger, Minimum: ptr(1.0), Maximum: ptr(float64(schema.MaxAnswerItems))},
		"category":    idSchema(),
		"categories":  list(idSchema(), schema.MaxCategories),
		"exclude":     list(idSchema(), rules.MaxExclude),
		"filter_seen": {OneOf: []*huma.Schema{{Type: huma.TypeBoolean}, text("TYPE:AGE,... such as view:7d,purchase:*")}},
		"filter":      expression(),
		"boosts":      list(object([]string{"when", "factor"}, map[string]*huma.Schema{"when": expression(), "factor": number(1/rules.MaxFactor, rules.MaxFactor)}), rules.MaxBoosts),
		"caps": {Type: huma.TypeObject, Description: fmt.Sprintf("items of a category at most on a page, %q for each of the others", rules.AnyCategory),
			AdditionalProperties: &huma.Schema{Type: huma.TypeInteger, Minimum: ptr(0.0), Maximum: ptr(float64(schema.MaxAnswerItems))}},
		"mmr_lambda": number(0, 1),
		"explore": object([]string{"share"}, map[string]*huma.Schema{"share": number(0, 1), "temperature": number(1e-3, 1e3), "seed": text("decides the draws"),
			"by": {Type: huma.TypeString, Enum: []any{rules.ExploreSoftmax, rules.ExploreUniform}}}),
		"pins":      list(object([]string{"item", "position"}, map[string]*huma.Schema{"item": idSchema(), "position": {Type: huma.TypeInteger, Minimum: ptr(1.0), Maximum: ptr(float64(rules.MaxPosition))}}), rules.MaxPins),
		"min_score": {Type: huma.TypeNumber},
		"paged":     {Type: huma.TypeBoolean},
		"after":     text("the token next of the page before"),
		"explain":   {Type: huma.TypeBoolean},
	}
	for name, s := range more {
		p[name] = s
	}
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: p}
}
