package page_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a condition may take on a busy machine.
const patience = time.Minute

// chromium finds the browser, or skips.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the browser stays closed")
	}
	if underRace {
		t.Skip("-race: the page's code runs in the browser, where the detector sees nothing; the same test runs without it")
	}
	if p := os.Getenv("CHROME_PATH"); p != "" {
		return p
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Skip("no Chromium: set CHROME_PATH, or put chromium, chromium-browser or google-chrome on the PATH")
	return ""
}

// startBrowser starts one headless browser for the tabs of a test. It never speaks to the network by itself.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true),
	}
	for _, f := range []string{"quic", "background-networking", "component-update", "sync", "default-apps", "extensions", "breakpad", "dev-shm-usage"} {
		opts = append(opts, chromedp.Flag("disable-"+f, true))
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		cancel()
		stop()
		chromedp.FromContext(ctx).Allocator.Wait()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return ctx
}

// view is how a page is looked at.
type view struct {
	theme         string // prefers-color-scheme
	width, height int64
	touch         bool
	motion        bool // animations and smooth scrolling; a pointer test is better without, or it clicks where things were
}

func (v view) String() string {
	device := "desktop"
	if v.touch {
		device = "phone"
	}
	return v.theme + "-" + device
}

// tab is one open page with what it wrote to the console.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
}

// open shows the page of h in a new tab.
func open(t *testing.T, browser context.Context, v view, h http.Handler) *tab {
	t.Helper()
	server := httptest.NewServer(h)
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(func() {
		cancel()
		server.CloseClientConnections()
		server.Close()
	})
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	size := []chromedp.EmulateViewportOption{}
	if v.touch {
		size = append(size, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait, chromedp.EmulateScale(2))
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.theme}}
	if !v.motion {
		features = append(features, &emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"})
	}
	media := emulation.SetEmulatedMediaParams{Features: features}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatalf("choose the theme: %v", err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(v.width, v.height, size...), chromedp.Navigate(server.URL)); err != nil {
		t.Fatalf("open the page: %v", err)
	}
	return b
}

func (b *tab) listen(ev any) {
	var text string
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text = fmt.Sprintf("exception: %s", ev.ExceptionDetails.Text)
		if ev.ExceptionDetails.Exception != nil {
			text += " " + ev.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			text = fmt.Sprintf("console: %s", ev.Args[0].Value)
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning {
			text = fmt.Sprintf("log: %s %s", ev.Entry.Text, ev.Entry.URL)
		}
	}
	if text != "" {
		b.mu.Lock()
		b.faults = append(b.faults, text)
		b.mu.Unlock()
	}
}

// quiet fails the test if the page wrote an error or a warning.
func (b *tab) quiet() {
	b.t.Helper()
	eval[bool](b, "true") // a round trip: what was written before it has been heard
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("the page wrote: %s", f)
	}
}

// eval runs a JavaScript expression in the tab.
func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", js, err)
	}
	return v
}

// until waits for a JavaScript condition.
func (b *tab) until(js string) {
	b.t.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !eval[bool](b, "Boolean("+js+")") {
		if time.Now().After(end) {
			b.shoot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
			b.t.Fatalf("still not so after %s: %s", patience, js)
		}
		<-tick.C
	}
}

// do runs actions such as clicks and keys.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.must(b.try(actions...))
}

func (b *tab) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.shoot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		b.t.Fatal(err)
	}
}

// click clicks the first element a selector finds, as a person would: who sees that the page moved under the pointer, so that the click
// fell beside it, or was drawn anew so that the element is another one, clicks again.
func (b *tab) click(selector string) {
	b.t.Helper()
	for range 5 {
		eval[bool](b, fmt.Sprintf(`document.addEventListener("click", e => { window.clicked = Boolean(e.target.closest(%q)) }, {capture: true, once: true}), window.clicked = false, true`, selector))
		if err := b.try(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector))); err != nil {
			if !strings.Contains(err.Error(), "Could not find node") && !strings.Contains(err.Error(), "detached") {
				b.must(err)
			}
			continue
		}
		hit, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("window.clicked !== false"))
		if err != nil && !strings.Contains(err.Error(), "navigated") {
			b.t.Fatal(err)
		}
		if hit || err != nil { // undefined, or navigated meanwhile: the click has loaded the page anew
			return
		}
	}
	b.t.Fatalf("five clicks on %s fell beside it", selector)
}

// shoot writes a picture of the whole page into the folder SOFTREC_SCREENSHOTS, when it is set.
func (b *tab) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("SOFTREC_SCREENSHOTS")
	if dir == "" {
		return
	}
	eval[bool](b, `scrollTo(0, 0), true`) // the header sticks to the top
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatalf("take a screenshot: %v", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
