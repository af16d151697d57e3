package client_test

import (
	"context"
	"fmt"
	"go/format"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/client"
)

// Send an interaction, then ask what next.
func Example() {
	show := func(ctx context.Context) error {
		c, err := client.New("http://localhost:8080")
		if err != nil {
			return err
		}
		if _, err := c.Send(ctx, schema.Event{UserID: "u1", ItemID: "85123A", Type: "view", Timestamp: time.Now()}); err != nil {
			return err
		}
		answer, err := c.Recommend(ctx, "u1", client.Want{N: 5})
		if err != nil {
			return err
		}
		for _, item := range answer.Items {
			fmt.Println(item.ID, item.Title)
		}
		return nil
	}
	_ = show // it needs a server
}

// The README's Go is the example's, which is compiled.
func TestExample_standsInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, found := strings.Cut(string(readme), "```go\n")
	shown, _, _ = strings.Cut(shown, "```\n")
	_, example, _ := strings.Cut(string(source), "show := func(ctx context.Context) error {\n")
	example, _, ends := strings.Cut(example, "\n\t}\n\t_ = show")
	want, err := format.Source([]byte(strings.ReplaceAll("\n"+example, "\n\t\t", "\n")))
	if err != nil || !found || !ends {
		t.Fatal(err, found, ends)
	}
	if got := strings.TrimSpace(shown); got != strings.TrimSpace(string(want)) {
		t.Errorf("README.md shows\n%s\nwant what example_test.go has:\n%s", got, want)
	}
}
