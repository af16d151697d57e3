package page_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const letterRows = `document.querySelectorAll("#letters > li")`

// testOperate rolls back by one click, and sends a dead letter again; bytes are shown and never run.
func testOperate(b *tab, f *fake) {
	b.until(letterRows + `.length === 3`)
	bytes := eval[[]string](b, `[...document.querySelectorAll("#letters pre")].map(e => e.textContent)`)
	if bytes[0] != hostile || bytes[1] != `\x00\x01magic\xff\xe2\x80\xaeevil` || !strings.HasSuffix(bytes[2], "more") {
		b.t.Errorf("the bytes are shown as %q", bytes)
	}
	if n := eval[int](b, `document.querySelectorAll("#letters b, #letters img, #recommended .because b").length`); n != 0 {
		b.t.Errorf("data became %d elements", n)
	}
	if !eval[bool](b, letterRows+`[2].querySelector("button").disabled`) {
		b.t.Error("a letter that was cut can be sent")
	}
	b.click("#letters > li:nth-child(2) button")
	b.until(`document.querySelector("#letters > li:nth-child(2) .done")?.textContent === "Sent again to softrec.interactions."`)
	b.until(`document.querySelector("#operate-note").textContent.includes("0/6 was sent again")`)
	b.click("#rollback")
	b.until(fmt.Sprintf(`document.querySelector("#rollback-note").textContent === "Rolled back from %s to %s."`, version(6), version(5)))
	b.until(fmt.Sprintf(`document.querySelector("#rollback").textContent === "Roll back to %s" && document.querySelector("#models-list .current code").textContent === %q`, version(4), version(5)))
	f.mu.Lock()
	if !slices.Equal(f.replayed, []int64{6}) || f.history[0] != version(5) {
		b.t.Errorf("replayed %v, live %s", f.replayed, f.history[0])
	}
	f.letters, f.setAside = f.letters[:2], 1 // ingest counts another number each second now: the page looks again by itself, but not each second
	f.mu.Unlock()
	b.until(letterRows + `.length === 2`)
	f.mu.Lock()
	for i := range len(f.listed) - 1 {
		if gap := f.listed[i+1].Sub(f.listed[i]); gap < 5*time.Second { // the page's own clock says 10
			b.t.Errorf("the letters were read again after %v, want at most every 10 s", gap)
		}
	}
	f.mu.Unlock()
	b.click("#letters-again")
	b.until(`document.querySelector("#operate-note").textContent.includes("newest 2")`)
	eval[bool](b, `document.querySelector("#operate").scrollIntoView(), true`)
	b.shoot("operate")
	b.quiet()
}

// testOperateByKeyboard does the same without a pointer, on a phone.
func testOperateByKeyboard(b *tab, f *fake) {
	b.until(letterRows + `.length === 3`)
	eval[bool](b, `document.querySelector("#letters button").focus(), true`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("#letters .done") !== null`)
	if !eval[bool](b, `document.activeElement === document.querySelector("#letters button")`) {
		b.t.Error("the focus was lost with the letter that was sent")
	}
	eval[bool](b, `document.querySelector("#rollback").focus(), true`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("#rollback-note").textContent.startsWith("Rolled back")`)
	eval[bool](b, `document.querySelector("#models").scrollIntoView(), true`)
	b.shoot("operate-phone")
	checkAxe(b)
	b.quiet()
}

// testAdminKey has a server that lets only an admin operate: the page says so, takes the key for that alone, and forgets it.
func testAdminKey(b *tab, f *fake) {
	b.until(`document.querySelector("#operate-note").textContent.includes("An admin key is needed")`)
	b.click("#rollback")
	b.until(`document.querySelector("#rollback-note").textContent.includes("Enter an admin key under Operate") && document.activeElement.id === "admin-key"`)
	b.do(chromedp.SendKeys(chromedp.CSS("#admin-key"), f.admin+kb.Enter))
	b.until(letterRows + `.length === 3`)
	if eval[bool](b, `document.querySelector("#admin-key").value !== "" || sessionStorage.getItem("softrec-key") !== null || JSON.stringify(localStorage).includes("secret") || location.href.includes("secret")`) {
		b.t.Error("the admin key is somewhere else than in the session")
	}
	b.click("#rollback")
	b.until(`document.querySelector("#rollback-note").textContent.startsWith("Rolled back")`)
	b.do(chromedp.Reload())
	b.until(letterRows + `.length === 3`) // the tab still has it
	b.click("#admin-forget")
	b.until(letterRows + `.length === 0 && sessionStorage.getItem("softrec-admin-key") === null`)
	b.click("#letters-again")
	b.until(`document.querySelector("#operate-note").textContent.includes("An admin key is needed")`)
	if !eval[bool](b, `document.querySelector("#key-form").hidden`) {
		b.t.Error("the page asks for the key of the whole page because of the admin's")
	}
}

// testAsk asks as somebody who is not in the list, and reads in words what made the answer.
func testAsk(b *tab) {
	b.until(listed + `.length === 10`)
	b.do(chromedp.SendKeys(chromedp.CSS("#ask-user"), "somebody else"+kb.Enter))
	b.until(`document.querySelector("#user-select").value === "somebody else" && ` + listed + `.length === 10`)
	b.until(`document.querySelector("#recommended > li:first-child .because")?.textContent.includes("is popular of late")`) // the list is the new user's
	b.click("#recommended > li:first-child summary")
	words := eval[[]string](b, `[...document.querySelectorAll("#recommended > li:first-child .because li")].filter(e => e.checkVisibility()).map(e => e.textContent)`)
	if len(words) != 2 || words[0] != "is popular of late" || !strings.Contains(words[1], "<b>adds</b>") {
		b.t.Errorf("the words are %q", words)
	}
	b.quiet()
}

// axe is axe-core 4.12.1 (Deque Systems, MPL-2.0), the accessibility checker, as its authors publish it.
const (
	axe    = "testdata/axe/axe.min.js"
	axeSum = "66a8aaa95a8b044a7fd74a5435873bf04ff65a1ca75567c921b7509742085a14"
)

func TestAxe_isAsPublished(t *testing.T) {
	b, err := os.ReadFile(axe)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != axeSum {
		t.Errorf("%s has the SHA-256 %x, want %s", axe, sum, axeSum)
	}
}

// checkAxe holds the page to all rules of axe-core, WCAG 2.2 AA and good practice.
func checkAxe(b *tab) {
	b.t.Helper()
	source, err := os.ReadFile(axe)
	if err != nil {
		b.t.Fatal(err)
	}
	eval[bool](b, string(source)+";true")
	eval[bool](b, `document.getAnimations().forEach((a) => a.finish()), window.axeFound = undefined, axe.run(document, {
  resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}).then((r) => { window.axeFound = { checked: r.passes.length, bad: r.violations.flatMap((v) => v.nodes.map((n) => v.id + " (" + v.impact + "): " + v.help + ": " + n.target.join(" ") + ": " + n.any.map((a) => a.message).join("; "))) }; },
  (e) => { window.axeFound = { checked: 0, bad: ["axe failed: " + e] }; }), true`)
	b.until(`window.axeFound`)
	if n := eval[int](b, `window.axeFound.checked`); n < 20 {
		b.t.Errorf("only %d rules of axe applied", n)
	}
	for _, bad := range eval[[]string](b, `window.axeFound.bad`) {
		b.t.Errorf("axe: %s", bad)
	}
}
