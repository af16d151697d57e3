package tokens

import (
	"encoding/json"
	"strings"
)

// postProcessor mirrors those parts of a post-processor that say what stands before a text.
type postProcessor struct {
	Type       string            `json:"type"`
	Processors []json.RawMessage `json:"processors"`
	Single     []struct {
		Special *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
		Text *json.RawMessage `json:"Sequence"`
	} `json:"single"`
}

// firstOf returns the special token that a template has before the text, "" for none. templated says that there is a template.
func firstOf(raw json.RawMessage) (token string, templated bool, err error) {
	if !present(raw) {
		return "", false, nil
	}
	var p postProcessor
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", false, err
	}
	switch p.Type {
	case "Sequence":
		for _, one := range p.Processors {
			if token, templated, err := firstOf(one); err != nil || templated {
				return token, templated, err
			}
		}
	case "TemplateProcessing":
		if len(p.Single) > 0 && p.Single[0].Special != nil {
			token = p.Single[0].Special.ID
		}
		return token, true, nil
	}
	return "", false, nil
}

// addsBOS says whether texts begin with BOS: a template decides, without one add_bos_token, without that the class of the tokenizer.
func (t *Tokenizer) addsBOS(dir string, bos int32) (bool, error) {
	if t.templated {
		return bos >= 0 && t.tokens[bos] == t.first, nil
	}
	var c struct {
		Add   *bool  `json:"add_bos_token"`
		Class string `json:"tokenizer_class"`
	}
	if _, err := readJSON(dir, "tokenizer_config.json", &c); err != nil {
		return false, err
	}
	if c.Add != nil {
		return *c.Add, nil
	}
	return strings.HasPrefix(c.Class, "Llama") || strings.HasPrefix(c.Class, "CodeLlama"), nil
}
