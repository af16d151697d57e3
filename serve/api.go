package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/softrec/softrec/schema"
)

const (
	openAPIPath = "/openapi.json"
	apiPagePath = "/docs/" // where people browse it
)

// newAPI registers every operation and writes the OpenAPI document once.
func (s *Server) newAPI() (http.Handler, error) {
	cfg := huma.DefaultConfig("softrec", s.deps.Version)
	cfg.Info.Description = "Recommendations from a live clickstream. Errors are RFC 9457 problem documents."
	// huma's documentation page loads scripts from other hosts, its schema links add a field to every answer, and its
	// own OpenAPI route encodes lazily without a lock.
	cfg.DocsPath, cfg.SchemasPath, cfg.OpenAPIPath, cfg.CreateHooks = "", "", "", nil
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "An API key made with `softrec keys create NAME`."},
		"apiKey": {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "The same key in a header of its own."},
	}
	cfg.Security = []map[string][]string{{"bearer": {}}, {"apiKey": {}}, {}} // none where no keys are configured
	mux := http.NewServeMux()
	api := humago.New(mux, cfg)
	api.UseMiddleware(refuseUnknown(api))

	s.registerEvents(api)
	s.registerRecommend(api)
	s.registerBatch(api)
	s.registerItems(api)
	s.registerUsers(api)
	s.registerModels(api)
	s.registerRollback(api)
	s.registerLetters(api)
	s.registerAttribution(api)
	s.registerStats(api)
	s.registerGorse(api)
	s.registerMetarank(api)

	doc, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	mux.HandleFunc("GET "+openAPIPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(doc) // the client may be gone
	})
	s.mountCalls(mux)
	s.routes = mux
	return s.mount(s.quick(mux))
}

// operation names one endpoint. Handlers decode bodies themselves: a body may be lines, and errors must not repeat it whole.
func (s *Server) operation(id, method, path, tag, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Tags: []string{tag}, Summary: summary, Description: description,
		MaxBodyBytes: s.cfg.MaxBodyBytes + 1, SkipValidateBody: true, BodyReadTimeout: s.cfg.ReadTimeout,
	}
}

// documentBody replaces the schema of an operation whose handler decodes the raw body.
func documentBody(op *huma.Operation, content map[string]*huma.Schema) {
	op.RequestBody.Content = map[string]*huma.MediaType{}
	for contentType, s := range content {
		op.RequestBody.Content[contentType] = &huma.MediaType{Schema: s}
	}
}

// documentStatus adds a second good status with the body of the first.
func documentStatus(op *huma.Operation, from, to int, description string) {
	copied := *op.Responses[strconv.Itoa(from)]
	copied.Description = description
	op.Responses[strconv.Itoa(to)] = &copied
}

// itemSchema, eventSchema describe the documents of package schema, with what is required of a client.
func itemSchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Description: "A catalogue item; id may be left out, it is the one of the path.",
		Properties: map[string]*huma.Schema{
			"id":         {Type: huma.TypeString, MaxLength: ptr(schema.MaxIDLen)},
			"title":      {Type: huma.TypeString, MaxLength: ptr(schema.MaxTitleLen)},
			"categories": {Type: huma.TypeArray, MaxItems: ptr(schema.MaxCategories), Items: &huma.Schema{Type: huma.TypeString}},
			"attributes": {Type: huma.TypeObject, Description: "text, numbers, booleans or lists of text"},
			"created_at": {Type: huma.TypeString, Format: "date-time"},
		},
	}
}

func eventSchema() *huma.Schema {
	id := func(about string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, MaxLength: ptr(schema.MaxIDLen), Description: about}
	}
	return &huma.Schema{
		Type: huma.TypeObject, Required: []string{"user_id", "item_id", "timestamp"},
		Properties: map[string]*huma.Schema{
			"event_id":          id("makes a retry harmless"),
			"user_id":           id("who"),
			"item_id":           id("what"),
			"type":              {Type: huma.TypeString, MaxLength: ptr(schema.MaxTypeLen), Description: "\"view\" when absent"},
			"timestamp":         {OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}}, Description: "RFC 3339, Unix seconds or Unix milliseconds"},
			"value":             {Type: huma.TypeNumber},
			"session_id":        id("optional"),
			"recommendation_id": id("the answer this interaction followed"),
		},
	}
}

func ptr[T any](v T) *T { return &v }
