package lm

import (
	"encoding/json"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
)

// claims is a backend that says its device is another one.
type claims struct {
	compute.Backend
	device string
}

func (c claims) DeviceDescription(compute.DeviceNum) string { return c.device }

// TestLoad_numbersFitTheDevice: auto is bfloat16 on accelerators and float32 on CPUs; what was asked for stays what it is.
func TestLoad_numbersFitTheDevice(t *testing.T) {
	be := lmtest.Open(t, lmtest.Go)
	for _, c := range []struct {
		device     string
		ask, comes BF16
	}{
		{"cuda:0", BF16Auto, BF16On}, {"TPU_0", BF16Auto, BF16On}, {"TFRT_CPU_0", BF16Auto, BF16Off}, {"device#0", BF16Auto, BF16Off},
		{"cuda:0", BF16Off, BF16Off}, {"cuda:0", "", BF16Off}, {"cuda:0", BF16On, BF16On}, {"TFRT_CPU_0", BF16On, BF16On},
	} {
		b := load(t, claims{be, c.device}, fixture("bert"), Options{BF16: c.ask})
		if got := b.Options().BF16; got != c.comes {
			t.Errorf("%q on %s comes to %q, want %q", c.ask, c.device, got, c.comes)
		}
	}
	if err := (Options{BF16: "yes"}).Validate(); err == nil || err.Error() != `lm.bf16 "yes": want auto, true or false` {
		t.Errorf("error %v", err)
	}
}

// TestBF16_JSON: what was true or false is still written so, and read.
func TestBF16_JSON(t *testing.T) {
	for b, want := range map[BF16]string{BF16On: "true", BF16Off: "false", "": "false", BF16Auto: `"auto"`} {
		text, err := json.Marshal(b)
		if err != nil || string(text) != want {
			t.Errorf("%q is written as %s, %v, want %s", b, text, err, want)
		}
		var back BF16
		if err := json.Unmarshal(text, &back); err != nil || back != b && b != "" {
			t.Errorf("%s is read as %q, %v", text, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`"often"`), new(BF16)); err == nil {
		t.Error("a word that there is not was read")
	}
}
