package experiment

import (
	"testing"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
)

// digestOf is the settings of an experiment's runs.
func digestOf(t *testing.T, o Options, kind string) string {
	t.Helper()
	r := &runner{o: o.Filled(), log: silent(nil)}
	if err := r.prepare(t.Context(), fakeKit(t, fakeModel{trains: new(int)})); err != nil {
		t.Fatal(err)
	}
	r.kit.Kind = kind
	digest, err := r.digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// TestDigest_ofOlderRuns: runs that were made before a mend must not stand beside those made after it, and runs that it did not touch
// are paid for: their digests stay. The digests are those of 30 November 2026, before the softmax left out the whole past. Whether it leaves
// out anything was auto by default then.
func TestDigest_ofOlderRuns(t *testing.T) {
	o := fakeOptions(t, true)
	for _, c := range []struct {
		kind, filter string
		mask         string
		msl          bool
		was          string
		stays        bool
	}{
		{kindEncoder, split.FilterOn, split.FilterOn, false, "39aa41b30f371d96cd04bf2a", false},
		{kindEncoder, split.FilterOff, split.FilterAuto, false, "68a0456c7489d5fb4f95025e", true},
		{kindEncoder, split.FilterOff, split.FilterOn, false, "68a0456c7489d5fb4f95025e", false},
		{kindDecoder, split.FilterOn, split.FilterOn, true, "24bfcae15630d65156c6cfdb", false},
		{kindDecoder, split.FilterOn, split.FilterOn, false, "39aa41b30f371d96cd04bf2a", true}, // nothing is masked without MSL
		{kindDecoder, split.FilterOff, split.FilterOff, true, "ae2d1697e9d212f1cc1cb269", true},
		{kindDecoder, split.FilterOff, split.FilterOn, true, "ae2d1697e9d212f1cc1cb269", false},
		{kindDecoder, split.FilterOff, split.FilterOn, false, "68a0456c7489d5fb4f95025e", true},
	} {
		o.FilterSeen, o.MaskHistory, o.MSL = c.filter, c.mask, c.msl
		if got := digestOf(t, o, c.kind); (got == c.was) != c.stays {
			t.Errorf("%s, filter %s, mask %s, msl %v: digest %s, was %s", c.kind, c.filter, c.mask, c.msl, got, c.was)
		}
	}
}
