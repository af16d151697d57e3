package configtest

import (
	"os"
	"testing"
)

func TestDropTestVariables(t *testing.T) {
	for name, kept := range map[string]bool{
		"SOFTREC_MINILM": false, "SOFTREC_SCREENSHOTS": false, "SOFTREC_URL": false, "SOFTREC_TEST_CHILD": false,
		"SOFTREC_PYTHON": true, "SOFTREC_PJRT_PLUGIN": true, "SOFTREC_REDIS_DB": true, "MINILM": true,
	} {
		t.Setenv(name, "no number")
		DropTestVariables()
		if _, there := os.LookupEnv(name); there != kept {
			t.Errorf("%s is there: %v, want %v", name, there, kept)
		}
	}
}
