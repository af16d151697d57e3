package process

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"
)

// asChild makes the test binary a child that says "ready" and then waits: "polite" ends on an interrupt, "deaf" does not.
const asChild = "SOFTREC_TEST_CHILD"

func TestMain(m *testing.M) {
	kind := os.Getenv(asChild)
	if kind == "" {
		os.Exit(m.Run())
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	fmt.Println("ready")
	for range signals {
		if kind == "polite" {
			os.Exit(0)
		}
	}
}

func child(t *testing.T, kind string) *Child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asChild+"="+kind)
	c, err := Start(kind, cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	for end := time.Now().Add(time.Minute); !strings.Contains(c.Said(), "ready"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) || !c.Alive() {
			t.Fatalf("the child is not ready: %q", c.Said())
		}
	}
	return c
}

func TestChild_stopsPolitely(t *testing.T) {
	c := child(t, "polite")
	if err := c.Pause(); err != nil {
		t.Skip("children cannot be paused here:", err)
	}
	if err := c.Stop(time.Minute); err != nil { // a paused one hears it too
		t.Error(err)
	}
	if c.Alive() {
		t.Error("alive after Stop")
	}
}

func TestChild_killedWhenDeaf(t *testing.T) {
	c := child(t, "deaf")
	if err := c.Stop(50 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "deaf did not end within 50ms") {
		t.Errorf("Stop of a deaf child: %v", err)
	}
	if c.Alive() {
		t.Error("alive after Stop")
	}
}

func TestChild_killedWhilePaused(t *testing.T) {
	c := child(t, "deaf")
	if err := c.Pause(); err != nil {
		t.Skip("children cannot be paused here:", err)
	}
	c.Kill()
	if c.Alive() {
		t.Error("alive after Kill")
	}
	if err := c.Fault(); !strings.Contains(err.Error(), "ready") {
		t.Errorf("the fault does not tell the last words: %v", err)
	}
}

func TestStart_noSuchCommand(t *testing.T) {
	if _, err := Start("nobody", exec.Command("softrec-no-such-command"), nil); err == nil || !strings.Contains(err.Error(), "start nobody") {
		t.Errorf("error %v", err)
	}
}
