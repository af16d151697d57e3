package titles_test

import (
	"fmt"

	"github.com/softrec/softrec/trainer/model/titles"
)

func ExampleIndex_Nearest() {
	x, err := titles.NewIndex(2, titles.Cosine)
	if err != nil {
		panic(err)
	}
	for _, item := range []struct {
		id  string
		vec []float32
	}{{"kettle", []float32{1, 0.1}}, {"teapot", []float32{2, 0.5}}, {"lantern", []float32{0, 1}}} {
		if err := x.Set(item.id, item.vec); err != nil {
			panic(err)
		}
	}
	hits, err := x.Nearest([]float32{1, 0}, 2, nil)
	if err != nil {
		panic(err)
	}
	for _, h := range hits {
		fmt.Println(h.ID)
	}
	// Output:
	// kettle
	// teapot
}
