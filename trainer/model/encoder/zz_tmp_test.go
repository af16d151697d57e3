package encoder

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
)

func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(0, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func TestZZ(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	length, _ := strconv.Atoi(os.Getenv("ZZT"))
	rows := 128
	bf := os.Getenv("ZZBF") != ""
	w := load(t, open(t, os.Getenv("ZZ")), miniLM(t), lm.Options{BF16: bf}, Config{})
	mods, _ := w.base.Modules(nil)
	a, _ := lora.New(lora.DefaultConfig(), mods, 1)
	p, err := w.base.Program("bench", &a.Config, mods, contrast(w.enc, 0.05, a.Config.Dropout))
	if err != nil {
		t.Fatal(err)
	}
	ids, mask := w.enc.Pad(longTexts(rows, length, 30000), rows, length)
	items := 4000
	table := make([]float32, items*w.enc.Dim())
	for i := range table {
		table[i] = float32(i%17-8) / 100
	}
	data := []*tensors.Tensor{ids, mask, tensors.FromFlatDataAndDimensions(table, items, w.enc.Dim()), tensors.FromValue(make([]int32, rows)), tensors.FromScalar(int32(1))}
	step(t, p, a, data)
	best, bestCPU := time.Hour, time.Hour
	for range 4 {
		s, c := time.Now(), cpu()
		step(t, p, a, data)
		best, bestCPU = min(best, time.Since(s)), min(bestCPU, cpu()-c)
	}
	threads("step")
	texts := longTexts(128, length, 30000)
	w.enc.Encode(background, nil, texts)
	eb, ec := time.Hour, time.Hour
	for range 4 {
		s, c := time.Now(), cpu()
		w.enc.Encode(background, nil, texts)
		eb, ec = min(eb, time.Since(s)), min(ec, cpu()-c)
	}
	threads("encode")
	fmt.Printf("ZZ %s T=%d bf=%v flags=%q LMX=%q: step wall %v cpu %v | encode128 wall %v cpu %v\n", os.Getenv("ZZ"), length, bf, os.Getenv("XLA_FLAGS"), os.Getenv("LMX"), best.Round(1e6), bestCPU.Round(1e6), eb.Round(1e6), ec.Round(1e6))
}

func threads(what string) {
	ds, _ := os.ReadDir("/proc/self/task")
	for _, d := range ds {
		b, _ := os.ReadFile("/proc/self/task/" + d.Name() + "/stat")
		f := strings.Fields(string(b))
		if n, _ := strconv.Atoi(f[13]); n > 50 {
			fmt.Println("ZZ  thread", what, d.Name(), f[1], f[13], f[14])
		}
	}
}
