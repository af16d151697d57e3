package lm

import (
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
)

func TestBERT_equalsTransformers(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		for _, name := range []string{"bert", "bert-mlm-f16"} {
			b := load(t, be, fixture(name), Options{})
			got := hidden(t, b, nil, readJSON[inputs](t, fixture(name, "expected.json")))
			near(t, name, got, expectedTensor(t, expected(t, fixture(name, "expected.safetensors")), "hidden"), 2e-5)
		}
	})
}

func TestBERT_adapterEqualsPEFT(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{})
		mods, err := b.Modules(nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := lora.ImportPEFT(fixture("bert", "adapter"), mods)
		if err != nil {
			t.Fatal(err)
		}
		in := readJSON[inputs](t, fixture("bert", "expected.json"))
		near(t, "adapted", hidden(t, b, a, in), expectedTensor(t, expected(t, fixture("bert", "adapted.safetensors")), "hidden"), 2e-5)
	})
}

func TestBERT_bf16(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		b := load(t, be, fixture("bert"), Options{BF16: BF16On})
		got := hidden(t, b, nil, readJSON[inputs](t, fixture("bert", "expected.json")))
		near(t, "bfloat16", got, expectedTensor(t, expected(t, fixture("bert", "expected.safetensors")), "hidden"), 0.15)
	})
}
