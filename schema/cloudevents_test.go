package schema

import "testing"

func FuzzDecodeCloudEvents(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","type":"a.view","source":"s","id":"1","time":"2018-04-05T17:31:00Z","data":{"user_id":"u","item_id":"a"}}`), CloudEventType)
	f.Add([]byte(`[{"specversion":"1.0","type":"view","source":"s","id":"1","data_base64":"e30="}]`), CloudEventBatchType)
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		all, err := DecodeCloudEvents(body, contentType)
		if err != nil {
			return
		}
		for _, r := range all {
			if r.Err == nil && (r.Event.Validate() != nil || r.Event.EventID == "") {
				t.Errorf("taken: %+v", r.Event)
			}
		}
	})
}
