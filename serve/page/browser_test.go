package page_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var views = []view{
	{theme: "light", width: 1360, height: 900},
	{theme: "dark", width: 1360, height: 900},
	{theme: "light", width: 390, height: 844, touch: true},
	{theme: "dark", width: 390, height: 844, touch: true},
}

// listed is the recommended list as the page shows it.
const listed = `[...document.querySelectorAll("#recommended > li")].map(li => li.dataset.item)`

func TestPageInBrowser(t *testing.T) {
	browser := startBrowser(t)
	for _, v := range views {
		t.Run(v.String(), func(t *testing.T) {
			f := newFake(false)
			b := open(t, browser, v, f)
			checkSections(b)
			clickAsNewUser(b, f)
			b.shoot(v.String())
			checkContrast(b)
			checkNames(b)
			checkAxe(b)
			if over := eval[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
				t.Errorf("the page is %d px wider than the screen", over)
			}
			b.quiet()
		})
	}
	t.Run("rounds", func(t *testing.T) { testRounds(open(t, browser, views[0], newFake(false))) })
	t.Run("stream", func(t *testing.T) { testStream(open(t, browser, views[0], newFake(false))) })
	t.Run("search", func(t *testing.T) { testSearch(open(t, browser, views[0], newFake(false))) })
	t.Run("theme", func(t *testing.T) { testTheme(open(t, browser, views[0], newFake(false))) })
	t.Run("keyboard", func(t *testing.T) {
		f := newFake(false)
		testKeyboard(open(t, browser, view{theme: "light", width: 1360, height: 900, motion: true}, f), f)
	})
	t.Run("jumps", func(t *testing.T) { testJumps(open(t, browser, views[2], newFake(false))) })
	t.Run("blank", func(t *testing.T) { testBlank(open(t, browser, views[0], newFake(true))) })
	t.Run("degraded", func(t *testing.T) {
		f := newFake(false)
		testDegraded(open(t, browser, views[2], f), f)
	})
	t.Run("reconnect", func(t *testing.T) {
		f := newFake(false)
		testReconnect(open(t, browser, views[0], f), f)
	})
	t.Run("operate", func(t *testing.T) {
		f := newFake(false)
		testOperate(open(t, browser, views[0], f), f)
	})
	t.Run("operate-keyboard", func(t *testing.T) {
		f := newFake(false)
		testOperateByKeyboard(open(t, browser, views[2], f), f)
	})
	t.Run("operate-key", func(t *testing.T) {
		f := newFake(false)
		f.admin = "softrec_admin_secret"
		testAdminKey(open(t, browser, views[0], f), f)
	})
	t.Run("ask", func(t *testing.T) { testAsk(open(t, browser, views[0], newFake(false))) })
	t.Run("key", func(t *testing.T) { testKey(t, browser) })
	t.Run("refused", func(t *testing.T) { testRefused(t, browser) })
}

// checkSections waits for every section to show its data.
func checkSections(b *tab) {
	b.t.Helper()
	for _, js := range []string{
		`document.querySelector("#connection").textContent === "live"`,
		`document.querySelector("#live-model").textContent.startsWith("` + version(6) + `")`,
		`/^[78]\d\d$/.test(document.querySelector("#rate").textContent)`,
		`document.querySelectorAll("#rate-spark path.line").length === 1`,
		`document.querySelectorAll("#stream-events > li").length === 10`,
		`document.querySelectorAll("#quality-now .figure").length === 3`,
		`document.querySelectorAll("#quality-chart .series path").length === 3`,
		`[...document.querySelectorAll("#quality-chart .end-label")].map(e => e.textContent).join() === "live model,transitions,popularity"`,
		`document.querySelectorAll("#attribution-arms > tr").length === 3`,
		`document.querySelector("#attribution-arms > tr.shadow th").textContent === "next shadow"`,
		`document.querySelector("#attribution-arms .range").textContent === "20.0\u00a0% to 31.0\u00a0%"`,
		`document.querySelectorAll("#attribution-sources > tr").length === 2`,
		`document.querySelector("#attribution-note").textContent.includes("control 50\u00a0%, diverse 50\u00a0%")`,
		`document.querySelectorAll("#rounds-list > tr").length === 6`,
		`document.querySelectorAll("#rounds-list .badge.refused").length === 1`,
		`document.querySelectorAll("#round [data-series=lambda] circle").length === 3`,
		`document.querySelectorAll("#round [data-series=real] circle").length === 3`,
		`document.querySelectorAll("#round [data-series=easy] circle").length === 3`,
		`document.querySelectorAll("#round [data-series=distance] circle").length === 3`,
		`document.querySelectorAll("#models-list > tr").length === 6`,
		`document.querySelectorAll("#models-list .badge.live").length === 1`,
		`document.querySelectorAll("#models-list .badge.promoted").length >= 4`,
		`document.querySelector("#rollback").textContent === "Roll back to ` + version(5) + `"`,
		`[...document.querySelectorAll("#partitions .lag")].map(e => e.textContent).join() === "0,1,4,9"`,
		`document.querySelectorAll("#window > li").length > 3`,
		`document.querySelectorAll("#recommended > li").length === 10`,
		`document.querySelector("#recommended-note").textContent === "by ` + version(6) + ` · language model: ready"`,
		`document.querySelectorAll("#results > li").length === 20`,
	} {
		b.until(js)
	}
}

// clickAsNewUser makes a user, clicks two items of the list, and looks at what the server got and the list became.
func clickAsNewUser(b *tab, f *fake) {
	b.t.Helper()
	b.click("#user-new")
	b.until(`document.querySelector("#user-select").value.startsWith("guest-") && !document.querySelector("#window-empty").hidden && ` + listed + `.length === 10`)
	user := eval[string](b, `document.querySelector("#user-select").value`)
	for clicks := 1; clicks <= 2; clicks++ {
		before := eval[[]string](b, listed)
		b.click(fmt.Sprintf("#recommended > li:nth-child(%d) > button", clicks))
		b.until(fmt.Sprintf(`document.querySelectorAll("#window > li").length === %d`, clicks))
		after := eval[[]string](b, listed)
		if slices.Equal(before, after) {
			b.t.Errorf("click %d did not change the list %v", clicks, after)
		}
		if first := eval[string](b, `document.querySelector("#window > li").dataset.item`); first != before[clicks-1] {
			b.t.Errorf("the newest entry of the window is %s, want the clicked %s", first, before[clicks-1])
		}
		f.mu.Lock()
		posted := slices.Clone(f.posted)
		f.mu.Unlock()
		if len(posted) != clicks {
			b.t.Fatalf("%d events were posted, want %d", len(posted), clicks)
		}
		got := posted[clicks-1]
		if got.UserID != user || got.ItemID != before[clicks-1] || got.Type != "view" || len(got.EventID) != 36 || !strings.HasPrefix(got.RecommendationID, "0191-"+user) || got.Timestamp.IsZero() {
			b.t.Errorf("posted %+v, want a view of %s by %s with ids and time", got, before[clicks-1], user)
		}
	}
	// Looks and polls are no impressions: the first list is one, and the list after each click.
	f.mu.Lock()
	for who, n := range f.logged {
		if who != user || n != 3 {
			b.t.Errorf("%d lists of %s are logged, want 3 of %s alone", n, who, user)
		}
	}
	f.mu.Unlock()
	// The click comes back on the stream as well. That echo, which the next figures follow, must not wipe the marks away.
	for range 2 {
		b.until(fmt.Sprintf(`document.querySelector("#stream-totals").textContent !== %q`, eval[string](b, `document.querySelector("#stream-totals").textContent`)))
	}
	if marked := eval[int](b, `document.querySelectorAll("#recommended > li.changed").length`); marked == 0 {
		b.t.Error("no changed item is marked")
	}
	if time := eval[string](b, `document.querySelector("#result-time").textContent`); !strings.HasSuffix(time, "ms") {
		b.t.Errorf("click-to-answer time is %q", time)
	}
	if why := eval[string](b, `document.querySelector("#recommended .why").textContent`); !strings.Contains(why, "their") || !strings.Contains(why, "+") {
		b.t.Errorf("the reason is %q", why)
	}
}

func testRounds(b *tab) {
	b.until(`document.querySelectorAll("#rounds-list > tr").length === 6`)
	b.click("#rounds-list > tr:nth-child(4) button") // round 3, the refused one
	b.until(`document.querySelector("#round h3").textContent === "Round 3"`)
	b.until(`document.querySelector("#round .reason").textContent.includes("the live model stays")`)
	b.until(`document.querySelectorAll("#round [data-series=lambda] circle").length === 4`)
	ys := eval[[]float64](b, `[...document.querySelectorAll("#round [data-series=lambda] circle")].map(c => Number(c.getAttribute("cy")))`)
	if !slices.IsSorted(ys) || ys[0] == ys[len(ys)-1] {
		b.t.Errorf("lambda should fall (y grow): %v", ys)
	}
	if n := eval[int](b, `document.querySelectorAll("#round .facts dt").length`); n != 8 {
		b.t.Errorf("%d facts, want 8", n)
	}
	// New frames come every 200 ms; the choice must outlive them, and the way back must work.
	b.click("#rounds-follow")
	b.until(`document.querySelector("#round h3").textContent === "Round 6" && document.querySelector("#rounds-follow").hidden`)
	b.click("#quality-chart svg")
	b.until(`!document.querySelector("#quality-chart .readout").hidden && document.querySelectorAll("#quality-chart .readout b").length === 3`)
	b.quiet()
}

func testStream(b *tab) {
	first := `document.querySelector("#stream-events > li .event-title")?.textContent + document.querySelector("#stream-events > li time")?.textContent`
	b.until(`document.querySelectorAll("#stream-events > li").length === 10`)
	was := eval[string](b, first)
	b.until(fmt.Sprintf("%s !== %q", first, was))
	b.click("#stream-pause")
	b.until(`document.querySelector("#stream-pause").textContent.includes("new)")`)
	was = eval[string](b, first)
	waiting := eval[string](b, `document.querySelector("#stream-pause").textContent`)
	b.until(fmt.Sprintf(`document.querySelector("#stream-pause").textContent !== %q`, waiting))
	if now := eval[string](b, first); now != was {
		b.t.Errorf("the paused stream went on from %q to %q", was, now)
	}
	user := eval[string](b, `document.querySelector("#stream-events .link").textContent`)
	b.click("#stream-events .link")
	b.until(fmt.Sprintf(`document.querySelector("#user-select").value === %q`, user))
	b.quiet()
}

func testSearch(b *tab) {
	b.until(`document.querySelectorAll("#results > li").length === 20`)
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), "napkins"))
	b.until(`document.querySelectorAll("#results > li").length === 2`)
	if text := eval[string](b, `[...document.querySelectorAll("#results .item-title")].map(e => e.textContent).join("\n")`); !strings.Contains(text, hostile) {
		b.t.Errorf("results are %q, want the hostile title as plain text", text)
	}
	if n := eval[int](b, `document.querySelectorAll("main img, main script").length`); n != 0 {
		b.t.Errorf("a title became %d elements", n)
	}
	b.click("#results > li[data-item='90001'] > button")
	b.until(`document.querySelector("#window > li").dataset.item === "90001"`)
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), " nowhere"))
	b.until(`document.querySelector("#search-note").textContent === "Nothing found."`)
	b.quiet()
}

func testTheme(b *tab) {
	ground := `getComputedStyle(document.body).backgroundColor`
	light := eval[string](b, ground)
	b.click("#theme")
	b.until(fmt.Sprintf("%s !== %q", ground, light))
	b.do(chromedp.Reload())
	b.until(`document.documentElement.dataset.theme === "dark"`)
	b.click("#theme")
	b.until(fmt.Sprintf("%s === %q", ground, light))
	b.quiet()
}

// testKeyboard clicks an item and reads a chart without a pointer.
func testKeyboard(b *tab, f *fake) {
	b.until(listed + `.length === 10`)
	pressEnter(b, f)
	b.until(`document.querySelector("#result-time").textContent.endsWith("ms")`)
	f.mu.Lock()
	if len(f.posted) != 1 {
		b.t.Errorf("%d events were posted, want 1", len(f.posted))
	}
	f.mu.Unlock()
	if !eval[bool](b, `document.activeElement.isConnected`) {
		b.t.Error("the focus was lost with the changed list")
	}
	eval[bool](b, `document.querySelector("#quality-chart svg").focus(), true`)
	b.do(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`document.querySelector("#quality-chart .readout-head").textContent.includes("29,500")`)
	b.shoot("readout")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.querySelector("#quality-chart .readout").hidden`)
	b.quiet()
}

// pressEnter chooses the first recommended item by keyboard. A list that is drawn anew between focus and key swallows the
// key, so it is pressed again until the click arrives.
func pressEnter(b *tab, f *fake) {
	arrived := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.posted) > 0
	}
	for range 5 {
		eval[bool](b, `document.querySelector("#recommended button").focus(), true`)
		b.do(chromedp.KeyEvent(kb.Enter))
		for end := time.Now().Add(patience / 5); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if arrived() {
				return
			}
		}
	}
	b.t.Fatal("Enter on a recommended item posts no event")
}

// testJumps goes to each part of the page from its header, by keyboard, on a phone: the part's title stands below the header then.
func testJumps(b *tab) {
	checkSections(b)
	links := eval[[]string](b, `[...document.querySelectorAll("nav a")].map(a => a.hash)`)
	if want := eval[[]string](b, `[...document.querySelectorAll("main > section")].map(s => "#" + s.id)`); !slices.Equal(links, want) {
		b.t.Errorf("links %v, sections %v", links, want)
	}
	for _, hash := range links {
		link := fmt.Sprintf(`document.querySelector('nav a[href="%s"]')`, hash)
		eval[bool](b, link+`.focus(), true`)
		b.until(`(r => r.height >= 44 && r.left >= 0 && r.right <= innerWidth)(` + link + `.getBoundingClientRect())`)
		b.do(chromedp.KeyEvent(kb.Enter))
		b.until(fmt.Sprintf(`(top => top >= document.querySelector(".top").offsetHeight && top < innerHeight - 20)(document.querySelector("%s h2").getBoundingClientRect().top)`, hash))
	}
	b.quiet()
}

func testBlank(b *tab) {
	if source, err := os.ReadFile("assets/index.html"); err != nil || !strings.Contains(string(source), `<p id="recommended-empty" class="empty">Loading the first list.</p>`) {
		b.t.Errorf("what stands in the place of the first list until it comes: %v", err)
	}
	b.until(`document.querySelector("#connection").textContent === "live"`)
	b.until(`document.querySelector("#recommended-empty").textContent.startsWith("Nobody is active yet")`)
	for _, id := range []string{"stream", "quality", "rounds", "models", "recommended", "letters"} {
		if id == "recommended" {
			b.click("#user-new")
		}
		b.until(fmt.Sprintf(`document.querySelector("#%s-empty").offsetHeight > 0`, id))
	}
	b.until(`document.querySelector("#recommended-empty").textContent.endsWith("the catalogue is empty.")`)
	b.until(`document.querySelector("#recommended-note").textContent === "no model yet"`)
	b.until(`document.querySelector("#live-model").textContent === "no model yet"`)
	b.until(`document.querySelector("#window-empty").offsetHeight > 0`)
	b.shoot("blank")
	b.quiet()
}

func testDegraded(b *tab, f *fake) {
	checkSections(b)
	if eval[int](b, `document.querySelector("#degraded").offsetHeight`) > 0 {
		b.t.Error("the banner shows while nothing is wrong")
	}
	f.mu.Lock()
	f.degraded, f.away = "Redis is away: windows and catalogue are as of 17:30:05", true
	f.mu.Unlock()
	b.until(`document.querySelector("#degraded").offsetHeight > 0 && document.querySelector("#degraded").textContent.includes("Redis is away")`)
	b.click("#recommended > li > button")
	b.until(`document.querySelector("#result-text").textContent === "Not sent: Redis is away"`)
	b.shoot("degraded")
	f.mu.Lock()
	f.degraded, f.away = "", false
	f.mu.Unlock()
	b.until(`document.querySelector("#degraded").offsetHeight === 0`)
	b.click("#recommended > li > button")
	b.until(`document.querySelector("#result-time").textContent.endsWith("ms")`)
}

// testReconnect cuts the stream: the page says so, comes back by itself, and shows nothing twice.
func testReconnect(b *tab, f *fake) {
	checkSections(b)
	eval[bool](b, `window.states = [], new MutationObserver(() => states.push(document.querySelector("#connection").dataset.state))
		.observe(document.querySelector("#connection"), {attributes: true, attributeFilter: ["data-state"]}), true`)
	f.mu.Lock()
	close(f.cut)
	f.cut = make(chan struct{})
	f.mu.Unlock()
	b.until(`states.includes("lost") && states.lastIndexOf("live") > states.indexOf("lost") && document.querySelector("#connection").dataset.state === "live"`)
	f.mu.Lock()
	streams := f.streams
	f.mu.Unlock()
	if streams < 2 {
		b.t.Errorf("%d streams were opened, want a second one", streams)
	}
	if n := eval[int](b, `document.querySelectorAll("#rounds-list > tr").length`); n != 6 {
		b.t.Errorf("%d rounds after the reconnection, want 6", n)
	}
}

// testRefused lets the first streams be refused with an HTTP error, after which EventSource itself gives up for good.
func testRefused(t *testing.T, browser context.Context) {
	f := newFake(false)
	refusals := 1
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/live" && refusals > 0 {
			refusals-- // streams of one tab come one after the other
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		f.ServeHTTP(w, r)
	})
	checkSections(open(t, browser, views[0], h))
}

// testKey has a server that asks for a key: the page says so, takes one, and then shows everything, the live stream included.
func testKey(t *testing.T, browser context.Context) {
	f := newFake(false)
	const secret = "softrec_0123456789abcdef_secret"
	b := open(t, browser, views[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") && r.Header.Get("Authorization") != "Bearer "+secret {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"title":"Unauthorized","status":401,"detail":"an API key is required"}`))
			return
		}
		f.ServeHTTP(w, r)
	}))
	b.until(`!document.querySelector("#key-form").hidden && document.querySelector("#key-note").textContent.includes("an API key is required")`)
	checkContrast(b)
	eval[string](b, `document.querySelector("#key-input").value = "wrong"`)
	b.click("#key-form button")
	b.until(`sessionStorage.getItem("softrec-key") === "wrong" && document.querySelector("#key-form")?.hidden === false`)
	eval[string](b, fmt.Sprintf(`document.querySelector("#key-input").value = %q`, secret))
	b.click("#key-form button")
	b.until(`document.querySelector("#key-form")?.hidden === true && document.querySelector("#connection")?.textContent === "live"`)
	checkSections(b)
	if eval[bool](b, `!document.querySelector("#key-form").hidden || location.href.includes("secret") || localStorage.length > 0 && JSON.stringify(localStorage).includes("secret")`) {
		t.Error("the form stays, or the key is somewhere else than in the session")
	}
	clickAsNewUser(b, f)
}

// checkContrast measures every visible text against what lies behind it (WCAG 2.2 AA: 4.5, large text 3).
func checkContrast(b *tab) {
	b.t.Helper()
	for _, poor := range eval[[]string](b, contrastScript) {
		b.t.Errorf("poor contrast: %s", poor)
	}
}

const contrastScript = `(() => {
  const rgba = (c) => { const n = c.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const lum = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  document.getAnimations().forEach((a) => a.finish());
  const behind = (el) => { for (; el; el = el.parentElement) { const c = rgba(getComputedStyle(el).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const poor = [];
  for (const el of document.querySelectorAll("body *")) {
    const text = [...el.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    if (!text || el.closest("noscript") || !el.checkVisibility() || el.matches(".visually-hidden, option")) continue;
    const style = getComputedStyle(el);
    const fore = lum(rgba(el instanceof SVGElement ? style.fill : style.color));
    const back = lum(behind(el));
    const ratio = (Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) poor.push(el.tagName + "." + el.className + " " + text.slice(0, 40) + " " + ratio.toFixed(2));
  }
  return poor;
})()`

// checkNames asks the browser's accessibility tree for controls and charts without a name.
func checkNames(b *tab) {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		b.t.Fatalf("read the accessibility tree: %v", err)
	}
	named := 0
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		switch role := strings.Trim(string(n.Role.Value), `"`); role {
		case "button", "link", "combobox", "searchbox", "checkbox", "image", "img", "region":
			if n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "" {
				b.t.Errorf("a %s has no accessible name (node %d)", role, n.BackendDOMNodeID)
			}
			named++
		}
	}
	if named < 40 {
		b.t.Errorf("only %d controls in the accessibility tree", named)
	}
}
