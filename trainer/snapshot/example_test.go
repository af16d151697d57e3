package snapshot_test

import (
	"context"
	"fmt"
	"os"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/snapshot"
)

// Write a model, and read it back with its hashes checked.
func ExampleOpenDir() {
	folder, err := os.MkdirTemp("", "models")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()

	store, err := snapshot.OpenDir(folder)
	if err != nil {
		panic(err)
	}
	m, err := store.Write(ctx, schema.Manifest{Round: 12, Learner: "counts"}, map[string][]byte{"counts.bin": []byte("…")})
	if err != nil {
		panic(err)
	}
	_, files, err := store.Read(ctx, m.Version)
	fmt.Println(m.Version, len(files), err)
	// Output: r000012-5b7cba71 1 <nil>
}
