package hf

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestSafetensors_roundTrip(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSafetensors(&b, someTensors(), map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	f, err := readPacked(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if f.Meta["format"] != "pt" || !reflect.DeepEqual(f.Names(), []string{"a.bias", "b.weight", "empty", "scalar"}) {
		t.Errorf("meta %v, names %v", f.Meta, f.Names())
	}
	for name, want := range someTensors() {
		got, err := f.Tensor(name)
		if err != nil || !reflect.DeepEqual(got.Data, want.Data) || len(got.Shape) != len(want.Shape) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	var again bytes.Buffer
	if err := WriteSafetensors(&again, someTensors(), map[string]string{"format": "pt"}); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("equal tensors give different bytes (err %v)", err)
	}
	if err := WriteSafetensors(&b, map[string]Tensor{"x": {Shape: []int{2}, Data: []float32{1}}}, nil); err == nil {
		t.Error("a tensor whose shape does not fit is written")
	}
}

func TestSafetensors_refuses(t *testing.T) {
	const four = "0000"
	for name, file := range map[string][]byte{
		"nothing":              nil,
		"too short":            []byte("1234567"),
		"header beyond end":    binary.LittleEndian.AppendUint64(nil, 100),
		"header of exabytes":   append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), '{'),
		"not an object":        packed(`[]`, nil),
		"no end":               packed(`{"a":`, nil),
		"behind the object":    packed(`{} {}`, nil),
		"described twice":      packed(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, []byte(four)),
		"two metadata":         packed(`{"__metadata__":{},"__metadata__":{}}`, nil),
		"metadata of numbers":  packed(`{"__metadata__":{"a":1}}`, nil),
		"no offsets":           packed(`{"a":{"dtype":"F32","shape":[1]}}`, []byte(four)),
		"no shape":             packed(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, []byte(four)),
		"three offsets":        packed(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}`, []byte(four)),
		"backwards":            packed(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}`, []byte(four)),
		"negative offset":      packed(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[-4,4]}}`, []byte(four)),
		"negative shape":       packed(`{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}`, []byte(four)),
		"overflowing shape":    packed(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}`, nil),
		"fraction in shape":    packed(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, []byte(four)),
		"wrong size":           packed(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, []byte(four)),
		"beyond the end":       packed(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, []byte(four)),
		"not all of the file":  packed(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, []byte(four+"1")),
		"overlap":              packed(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, []byte(four+"22")),
		"gap":                  packed(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}}`, []byte(four+four+"22")),
		"the same bytes twice": packed(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, []byte(four)),
	} {
		if _, err := readPacked(file); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTensor_numberTypes(t *testing.T) {
	data := []byte{0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b, 0x00, 0x7c, 0x00, 0x80} // 1, -2, 2^-24, 65504, inf, -0
	data = append(data, 0x80, 0x3f, 0x20, 0xc1)                                            // 1, -10
	data = append(data, make([]byte, 8)...)
	f, err := readPacked(packed(`{"h":{"dtype":"F16","shape":[6],"data_offsets":[0,12]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[12,16]},`+
		`"i":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}}`, data))
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{1, -2, 0x1p-24, 65504, float32(math.Inf(1)), float32(math.Copysign(0, -1))}
	if got, err := f.Tensor("h"); err != nil || !reflect.DeepEqual(got.Data, want) {
		t.Errorf("F16: %v, %v, want %v", got.Data, err, want)
	}
	if got, err := f.Tensor("b"); err != nil || !reflect.DeepEqual(got.Data, []float32{1, -10}) {
		t.Errorf("BF16: %v, %v", got.Data, err)
	}
	if _, err := f.Tensor("i"); err == nil || !strings.Contains(err.Error(), "I64") {
		t.Errorf("I64: %v", err)
	}
	if _, err := f.Tensor("none"); err == nil {
		t.Error("a tensor that is not there is read")
	}
	if got := f.Names(); !reflect.DeepEqual(got, []string{"b", "h"}) {
		t.Errorf("names %v, want those that hold weights", got)
	}
	for h := range 1 << 16 { // every half, against the definition
		sign, exp, frac := 1-2*float64(h>>15), h>>10&31, float64(h&1023)
		want := sign * math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = sign * math.Ldexp(frac/1024, -14)
		case exp == 31 && frac == 0:
			want = math.Inf(int(sign))
		case exp == 31:
			want = math.NaN()
		}
		if got := float64(half(uint16(h))); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("half %#04x is %v, want %v", h, got, want)
		}
	}
}

// A tensor larger than what is read at a time, in odd places.
func TestTensor_inParts(t *testing.T) {
	big := Tensor{Shape: []int{chunk/4 + 3}, Data: make([]float32, chunk/4+3)}
	for i := range big.Data {
		big.Data[i] = float32(i)
	}
	var b bytes.Buffer
	if err := WriteSafetensors(&b, map[string]Tensor{"a": {Shape: []int{1}, Data: []float32{1}}, "big": big}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := readPacked(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Tensor("big"); err != nil || !reflect.DeepEqual(got, big) {
		t.Errorf("%d numbers, %v", len(got.Data), err)
	}
}

// What is accepted can be read, and reads again after it was written.
func FuzzReadSafetensors(f *testing.F) {
	var b bytes.Buffer
	if err := WriteSafetensors(&b, someTensors(), map[string]string{"format": "pt"}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(packed(`{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}`, []byte("1234")))
	f.Add(packed(`{"a":{"dtype":"F4","shape":[9],"data_offsets":[0,4]}}`, []byte("1234")))
	f.Add(packed(`{"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]}}`, []byte("1234")))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := readPacked(data)
		if err != nil {
			return
		}
		all := make(map[string]Tensor)
		for _, name := range file.Names() {
			tensor, err := file.Tensor(name)
			if err != nil {
				t.Fatalf("accepted but not readable: %v", err)
			}
			all[name] = tensor
		}
		var out bytes.Buffer
		if err := WriteSafetensors(&out, all, file.Meta); err != nil {
			t.Fatal(err)
		}
		again, err := readPacked(out.Bytes())
		if err != nil || !reflect.DeepEqual(again.Names(), file.Names()) {
			t.Fatalf("written and not read: %v", err)
		}
	})
}
