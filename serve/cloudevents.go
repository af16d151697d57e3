package serve

import (
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
)

// CloudHeaders are the attributes of a CloudEvent in binary mode. It is exported because huma passes over embedded structs that are not.
type CloudHeaders struct {
	SpecVersion string `header:"ce-specversion" doc:"1.0 for a CloudEvent in binary mode, whose data is the body"`
	ID          string `header:"ce-id" doc:"CloudEvents: with ce-source the event_id, where the data has none"`
	Source      string `header:"ce-source" doc:"CloudEvents: see ce-id"`
	Type        string `header:"ce-type" doc:"CloudEvents: its part after the last dot is the event's type, where the data has none"`
	Time        string `header:"ce-time" doc:"CloudEvents: the timestamp, where the data has none"`
}

// decode reads the body in the form that the headers announce.
func (in *eventsInput) decode() ([]schema.EventResult, error) {
	switch {
	case schema.IsCloudEvents(in.ContentType):
		return schema.DecodeCloudEvents(in.RawBody, in.ContentType)
	case in.SpecVersion != "":
		e, err := in.CloudHeaders.event(in.ContentType, in.RawBody)
		return []schema.EventResult{{Event: e, Err: err}}, nil
	default:
		return schema.DecodeEvents(in.RawBody, in.ContentType)
	}
}

// event is the event of a CloudEvent in binary mode. The HTTP binding writes attributes percent-encoded.
func (h CloudHeaders) event(contentType string, body []byte) (schema.Event, error) {
	c := schema.CloudEvent{SpecVersion: h.SpecVersion, ID: h.ID, Source: h.Source, Type: h.Type, Time: h.Time, DataContentType: contentType, Data: body}
	for _, attribute := range []*string{&c.ID, &c.Source, &c.Type, &c.Time} {
		if plain, err := url.PathUnescape(*attribute); err == nil {
			*attribute = plain
		}
	}
	return c.Event()
}

// cloudEventSchema describes a CloudEvent whose data is an event.
func cloudEventSchema(event *huma.Schema) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	data := *event
	data.Required = []string{"user_id", "item_id"}
	return &huma.Schema{Type: huma.TypeObject, Required: []string{"specversion", "id", "source", "type"}, Properties: map[string]*huma.Schema{
		"specversion": {Type: huma.TypeString, Enum: []any{"1.0"}}, "id": text, "source": text, "type": text,
		"time": {Type: huma.TypeString, Format: "date-time"}, "datacontenttype": text, "data": &data, "data_base64": text,
	}}
}
