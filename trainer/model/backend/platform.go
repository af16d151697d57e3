package backend

import (
	"cmp"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"
)

// Platforms: the kinds of device that a backend computes on.
const (
	CPU     = "cpu"
	CUDA    = "cuda" // NVIDIA
	ROCm    = "rocm" // AMD
	TPU     = "tpu"
	GPU     = "gpu" // of a maker that neither the device nor the plugin names
	Unknown = ""
)

// Platform names the kind of device that a backend computes on, Unknown where nothing says. A plugin is asked for what its first
// device is; the name of its file has a say where that leaves the maker open. A backend without a plugin is pure Go.
func Platform(be compute.Backend) string {
	device := kindIn(be.DeviceDescription(0))
	if device != GPU && device != Unknown {
		return device
	}
	named, ok := be.(interface{ PluginName() string })
	if !ok {
		return cmp.Or(device, CPU)
	}
	if plugin := kindIn(filepath.Base(named.PluginName())); plugin != Unknown && (device == Unknown || plugin != CPU) {
		return plugin
	}
	return device
}

// Accelerated reports whether a backend computes on an accelerator, whose matrix units take bfloat16. A device of an unknown kind counts
// as none.
func Accelerated(be compute.Backend) bool {
	p := Platform(be)
	return p != CPU && p != Unknown
}

// kindIn finds the kind of device in what a device or a plugin calls itself: TFRT_CPU_0, StreamExecutorGpuDevice(id=0),
// xla_cuda_plugin.so, TPU_0(process=0,(0,0,0,0)).
func kindIn(name string) string {
	name = strings.ToLower(name)
	for _, k := range []struct{ kind, word string }{{CPU, "cpu"}, {CUDA, "cuda"}, {CUDA, "nvidia"}, {ROCm, "rocm"}, {TPU, "tpu"}, {GPU, "gpu"}} {
		if strings.Contains(name, k.word) {
			return k.kind
		}
	}
	return Unknown
}
