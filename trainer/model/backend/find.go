package backend

import (
	"os"
	"path/filepath"
	"slices"
)

// EnvPlugin names the variable that gives the path of a plugin.
const EnvPlugin = "SOFTREC_PJRT_PLUGIN"

// envFolders is the variable of go-xla that lists folders with plugins.
const envFolders = "PJRT_PLUGIN_LIBRARY_PATH"

// pluginNames are the files looked for, best first. Plugins for GPUs must be named: a device that is there may belong to somebody else.
var pluginNames = []string{"pjrt_c_api_cpu_plugin.so", "pjrt_c_api_cpu_plugin.dylib", "pjrt_c_api_cpu_*_plugin.so", "libpjrt_cpu.so", "xla_cpu_pjrt.so"}

// places is where plugins are looked for.
type places struct {
	env  func(string) string
	home string // of the user, empty = unknown
	exe  string // folder of the executable, empty = unknown
	root string // prefix of the system's folders, for tests
}

func system() places {
	p := places{env: os.Getenv, root: "/"}
	p.home, _ = os.UserHomeDir() // without one its folder is skipped
	if exe, err := os.Executable(); err == nil {
		p.exe = filepath.Dir(exe)
	}
	return p
}

// candidate is a plugin file and how it came up.
type candidate struct {
	path, why string
	named     bool // somebody named this very file
}

// find returns the plugin to try: the one given, the one of the environment, or the first in the folders.
func (p places) find(given string) (candidate, bool) {
	if given != "" {
		return candidate{given, "given by the configuration", true}, true
	}
	if path := p.env(EnvPlugin); path == None {
		return candidate{}, false
	} else if path != "" {
		return candidate{path, "given by " + EnvPlugin, true}, true
	}
	for _, folder := range p.folders() {
		if !filepath.IsAbs(folder) {
			continue
		}
		for _, name := range pluginNames {
			// Also one level down: installers make a folder per version. The newest version sorts last.
			for _, pattern := range []string{filepath.Join(folder, name), filepath.Join(folder, "*", name)} {
				found, err := filepath.Glob(pattern)
				if err != nil || len(found) == 0 {
					continue
				}
				return candidate{slices.Max(found), "found in " + folder, false}, true
			}
		}
	}
	return candidate{}, false
}

// folders lists where plugins may lie, in the order they are looked at: those of PJRT_PLUGIN_LIBRARY_PATH, the folder of the executable and
// its lib, the user's, the system's.
func (p places) folders() []string {
	folders := filepath.SplitList(p.env(envFolders))
	if p.exe != "" {
		folders = append(folders, p.exe, filepath.Join(p.exe, "lib"))
	}
	if p.home != "" {
		folders = append(folders, filepath.Join(p.home, ".local/lib/go-xla"), filepath.Join(p.home, "Library/Application Support/go-xla"))
	}
	for _, f := range []string{"usr/local/lib/go-xla", "usr/local/lib/softrec", "usr/lib/go-xla", "opt/softrec/lib"} {
		folders = append(folders, filepath.Join(p.root, f))
	}
	return folders
}
