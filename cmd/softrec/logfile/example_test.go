package logfile_test

import (
	"fmt"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/logfile"
)

func ExampleInteractions() {
	log := "user\titem\ttimestamp\nanna\tteapot\t1291191960\nben\tlantern\t1291192020\n"
	in, err := logfile.NewInteractions("shop.tsv", strings.NewReader(log))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	for row, err := range in.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(row.Line, row.Event.UserID, row.Event.ItemID, row.Event.Timestamp.Format("15:04"))
	}
	// Output:
	// 2 anna teapot 08:26
	// 3 ben lantern 08:27
}
