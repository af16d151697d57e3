package rules

import (
	"fmt"
	"regexp/syntax"
	"runtime"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
)

// alternatives is n conditions with a pattern each, in one expression.
func alternatives(n int, pattern string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf("title matches %q", fmt.Sprintf(pattern, i))
	}
	return strings.Join(parts, " || ")
}

func TestParseExpression_boundsPatterns(t *testing.T) {
	for text, says := range map[string]string{
		alternatives(60, "(.*){30}z%d"):                                    "steps, at most 256 are allowed",
		alternatives(60, "(a|bc){499}K%d"):                                 "line 1, column 7: the pattern has",
		`title matches "(((a{10}){10}){10}){10}"`:                          "invalid repeat count",
		`title matches "((a{10}){10}){10}"`:                                "at most 256",
		`title matches "(?:` + strings.Repeat("abcdefgh", 200) + `){900}"`: "has more than 1048576 steps",
		`title matches "` + strings.Repeat(`\\p{L}`, 40) + `"`:             "at most 256",
		`not (title matches "x{300}")`:                                     "at most 256",
		`any(categories, # matches "x{300}")`:                              "at most 256",
		`title matches ("x{300}" + "y")`:                                   "pattern in quotes",
		`title` + strings.Repeat(" + title", 17):                           "more than 16 of +",
		`__work == 1`:                                                      "is not allowed",
		`__matches(1, 2, 3)`:                                               "no such function",
	} {
		if _, err := ParseExpression(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, want %q", text, err, says)
		}
	}
	for _, text := range []string{`title matches "(?i)^(summer|winter|spring|autumn) [a-z]+ (sale|deal)s?$"`, `title matches "\\p{L}+ \\p{L}+"`, alternatives(16, "(?i)^bag %d"), "title" + strings.Repeat(" + title", 16) + ` != ""`} {
		if _, err := ParseExpression(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCompile_boundsPatternsOfAllExpressions(t *testing.T) {
	spec := Spec{Filter: `title matches "x{100}"`, Boosts: []Boost{{When: `title matches "y{100}"`, Factor: 2}, {When: `title matches "z{100}"`, Factor: 2}}}
	_, err := NewCompiler(1 << 20).Compile(spec)
	if err == nil || !strings.Contains(err.Error(), "boosts[1].when") || !strings.Contains(err.Error(), "at most 256") {
		t.Errorf("%v", err)
	}
	spec.Boosts = spec.Boosts[:1]
	if _, err := NewCompiler(1 << 20).Compile(spec); err != nil {
		t.Error(err)
	}
}

// An evaluation ends however long an item's texts and lists are.
func TestMatch_boundsWork(t *testing.T) {
	e, err := ParseExpression(`title matches "x*y" || any(tags, # matches "(.*){30}z")`)
	if err != nil {
		t.Fatal(err)
	}
	it := schema.Item{ID: "a", Title: "no", Attributes: map[string]any{"tags": []any{strings.Repeat("x", 16<<10), "abcz"}}}
	v := e.pool.New().(*evaluator)
	for _, n := range e.names {
		v.env[n.key] = n.value(it, testNow)
	}
	v.work.left = maxWork
	if _, err := v.vm.Run(e.program, v.env); err == nil || !strings.Contains(err.Error(), errWork.Error()) {
		t.Errorf("the evaluation went on: %v", err)
	}
	if e.Match(it, testNow) {
		t.Error("an item whose texts are too long matches")
	}
	it.Title = "xy"
	if !e.Match(it, testNow) {
		t.Error("work that another evaluation did is counted")
	}
}

func FuzzSteps(f *testing.F) {
	for _, s := range []string{"", "a", "(.*){30}z", "(a|bc){7}K", "(?i)^straße$", `\p{L}+?\d{2,}[^a-z]`, "((a{3})*){2,5}", "(a*)*|(b?)+|", "x{0}", "(?s).(?m)^$", "abc|abd|abe|x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil || len(text) > 200 {
			return
		}
		n := steps(tree)
		if n > 10_000 {
			return
		}
		prog, err := syntax.Compile(tree.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if len(prog.Inst) > n {
			t.Errorf("%q has %d instructions, %d steps were told", text, len(prog.Inst), n)
		}
	})
}

// The cache of expressions is bounded by what this says.
func TestExpression_sizeIsHonest(t *testing.T) {
	quoted := make([]string, 240)
	for i := range quoted {
		quoted[i] = fmt.Sprintf("%q", fmt.Sprint("c", i))
	}
	many := func(n int, form string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(form, i)
		}
		return strings.Join(parts, "||")
	}
	odd := strings.Repeat("[acegikmoqsuwyACEGIKMOQSUWY0246]", 40)
	for _, text := range []string{
		"in_stock", `category in ["bags"] && price < 20 && in_stock`, "brand in [" + strings.Join(quoted, ",") + "]", many(60, "a%d < 1"), many(80, "a%d"), many(30, "(a%d*1)*2>3"),
		many(30, "any(a%d, # > 1)"), `title == "` + strings.Repeat("é", 1000) + `"`, alternatives(40, "a%d"), `title matches "(a|bc){30}K"`, `title matches "^(?:` + odd + `)$"`,
		`title matches "^(?:` + strings.Repeat(`\\p{L}`, 11) + `)$"`, `title matches "^(?i:` + strings.Repeat(`\\p{L}`, 10) + `)$"`, `title matches "^\\p{L}{11}$"`, `title matches "^(?:` + strings.Repeat(`\\p{L}|`, 10) + `a)$"`,
	} {
		var before, after runtime.MemStats
		kept := make([]*Expression, 50)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range kept {
			var err error
			if kept[i], err = ParseExpression(text); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		runtime.GC() // what pools hold goes with the second
		runtime.ReadMemStats(&after)
		took, said := (int(after.HeapAlloc)-int(before.HeapAlloc))/len(kept), kept[0].size()
		if took > said || said > 330_000 {
			t.Errorf("%.40s takes %d bytes, %d were told", text, took, said)
		}
		runtime.KeepAlive(kept)
	}
}
