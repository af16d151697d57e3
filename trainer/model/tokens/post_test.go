package tokens

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A begin token that a tokenizer has is not one that it stands before texts: GPT-2's kind, SmolLM among them, has one and does not.
func TestOpen_saysWhatBeginsTexts(t *testing.T) {
	const (
		template  = `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]}`
		bare      = `{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}]}`
		byteLevel = `{"type":"ByteLevel","trim_offsets":false}`
	)
	for name, c := range map[string]struct {
		post, config string
		want         bool
	}{
		"a template":                   {template, `{"bos_token":"<s>"}`, true},
		"a template in a sequence":     {`{"type":"Sequence","processors":[` + byteLevel + `,` + template + `]}`, `{"bos_token":"<s>"}`, true},
		"a template without":           {bare, `{"bos_token":"<s>","add_bos_token":true}`, false},
		"a template of another token":  {template, `{"bos_token":"</s>"}`, false},
		"no post-processor":            {`null`, `{"bos_token":"<s>","tokenizer_class":"GPT2Tokenizer"}`, false},
		"another post-processor":       {byteLevel, `{"bos_token":"<s>","add_bos_token":false}`, false},
		"the configuration":            {`null`, `{"bos_token":"<s>","add_bos_token":true}`, true},
		"the family":                   {`null`, `{"bos_token":"<s>","tokenizer_class":"LlamaTokenizerFast"}`, true},
		"the family, told not to":      {`null`, `{"bos_token":"<s>","tokenizer_class":"LlamaTokenizer","add_bos_token":false}`, false},
		"a model that has no such one": {byteLevel, `{"bos_token":null,"add_bos_token":true}`, false},
	} {
		dir := t.TempDir()
		tokenizer := `{"added_tokens":[{"id":0,"content":"<s>","special":true},{"id":1,"content":"</s>","special":true}],"normalizer":null,"pre_tokenizer":null,"decoder":null,
			"post_processor":` + c.post + `,"model":{"type":"WordLevel","vocab":{"<s>":0,"</s>":1,"<unk>":2,"a":3},"unk_token":"<unk>"}}`
		for file, text := range map[string]string{"tokenizer.json": tokenizer, "tokenizer_config.json": c.config} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tok, err := Open(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		begin := tok.Special().Begin()
		if got := len(begin) > 0; got != c.want || got && !slices.Equal(begin, []int32{tok.Special().BOS}) || !slices.Equal(tok.Encode("a"), []int32{3}) {
			t.Errorf("%s: texts begin with %v, want one: %v", name, begin, c.want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(`{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"},"post_processor":7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "post_processor") {
		t.Errorf("a post-processor that is none: %v", err)
	}
}

// What softrec writes says it to softrec and to others.
func TestWriteWordLevel_beginsTexts(t *testing.T) {
	dir := t.TempDir()
	if err := WriteWordLevel(dir, []string{"red mug", "blue mug"}, 10); err != nil {
		t.Fatal(err)
	}
	tok, err := Open(dir)
	if err != nil || !tok.Special().AddBOS || !tok.templated || tok.first != "<s>" {
		t.Errorf("%+v, a template %v with %q, %v", tok.Special(), tok.templated, tok.first, err)
	}
}
