package backend

import (
	"testing"

	"github.com/gomlx/compute"
)

// device is a backend that says of itself what a plugin would.
type device struct {
	compute.Backend
	says, plugin string
}

func (d device) DeviceDescription(compute.DeviceNum) string { return d.says }
func (d device) PluginName() string                         { return d.plugin }

func TestPlatform(t *testing.T) {
	for _, c := range []struct {
		is          device
		want        string
		accelerated bool
	}{
		{device{says: "TFRT_CPU_0 [processId=0]", plugin: "/lib/pjrt_c_api_cpu_plugin.so"}, CPU, false},
		{device{says: "CpuDevice(id=0)", plugin: "/opt/cuda/a.so"}, CPU, false},
		{device{says: "cuda:0 [processId=0]", plugin: "/lib/a.so"}, CUDA, true},
		{device{says: "StreamExecutorGpuDevice(device_kind=NVIDIA H200, id=0)", plugin: "/lib/a.so"}, CUDA, true},
		{device{says: "StreamExecutorGpuDevice(id=0)", plugin: "/jax_plugins/xla_cuda13/xla_cuda_plugin.so"}, CUDA, true},
		{device{says: "StreamExecutorGpuDevice(id=0)", plugin: "/lib/xla_rocm_plugin.so"}, ROCm, true},
		{device{says: "StreamExecutorGpuDevice(id=0)", plugin: "/cpu/a.so"}, GPU, true},
		{device{says: "TPU_0(process=0,(0,0,0,0))", plugin: "/lib/libtpu.so"}, TPU, true},
		{device{says: "failed to get description for device 0: no", plugin: "/lib/libtpu.so"}, TPU, true},
		{device{says: "an abacus", plugin: "/cuda/beads.so"}, Unknown, false}, // a folder says nothing
	} {
		if got := Platform(c.is); got != c.want || Accelerated(c.is) != c.accelerated {
			t.Errorf("%+v computes on %q, accelerated %t: want %q, %t", c.is, got, Accelerated(c.is), c.want, c.accelerated)
		}
	}
}

// Pure Go computes on the CPU, and whatever plugin there is here says what it computes on.
func TestOpen_platform(t *testing.T) {
	for _, plugin := range []string{None, ""} {
		cfg := DefaultConfig()
		cfg.Plugin = plugin
		be, info, err := Open(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer be.Finalize()
		if info.Platform == Unknown || plugin == None && info.Platform != CPU {
			t.Errorf("%s computes on %q", info, info.Platform)
		}
	}
}
