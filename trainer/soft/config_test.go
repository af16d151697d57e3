package soft

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestConfig_defaultsAreValid(t *testing.T) {
	for name, c := range map[string]Config{"default": DefaultConfig(), "paper": PaperConfig()} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfig_everyFaultIsReportedAtOnce(t *testing.T) {
	c := Config{
		Schedule: "steep", Alpha: math.NaN(), EasyTargetWeight: 1, Fallback: ScheduleSelfCalibrated, Constant: -0.1,
		CompetenceStart: 2, LossWindow: 0, Mix: "both", Epochs: 0, TeacherEpochs: -1, Patience: 0, Probe: -1,
		Start: "teacher", TeacherStart: "", Space: "live", Keep: "worse",
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`soft.schedule "steep": want one of adaptive`, "soft.alpha NaN", "soft.easy_target_weight 1", `soft.fallback "self-calibrated"`,
		"soft.constant -0.1", "soft.competence_start 2", "soft.loss_window 0", `soft.mix "both"`, "soft.epochs 0", "soft.teacher_epochs -1",
		"soft.patience 0", "soft.probe -1", `soft.start "teacher"`, `soft.teacher_start ""`, `soft.space "live"`, `soft.keep "worse"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestConfig_probeZeroOnlyWhereNothingReadsTheDistance(t *testing.T) {
	for _, s := range Schedules() {
		c := DefaultConfig()
		c.Schedule, c.Probe = s, 0
		if got, want := c.Validate() == nil, s != ScheduleAdaptive && s != ScheduleSelfCalibrated; got != want {
			t.Errorf("schedule %s with probe 0: valid %v, want %v", s, got, want)
		}
	}
	c := DefaultConfig()
	c.Schedule, c.Fallback, c.Probe = ScheduleLossRatio, ScheduleAdaptive, 0
	if err := c.Validate(); err != nil {
		t.Errorf("a fallback nobody uses: %v", err)
	}
}

func TestConfig_everyFieldHasItsTags(t *testing.T) {
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.Tag.Get("koanf") == "" || !strings.Contains(f.Tag.Get("help"), "default") {
			t.Errorf("%s: tags %q want a koanf name and a help with its default", f.Name, f.Tag)
		}
	}
}
