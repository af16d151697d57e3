package schema

// Attribution is what became of the answers that were given: totals since they are counted, by arm, model version and source.
type Attribution struct {
	Arms    []ArmTotals    `json:"arms" doc:"by arm and model version, the newest version of an arm first"`
	Sources []SourceTotals `json:"sources" doc:"by arm, model version and source"`
}

// ArmTotals are the totals of one arm with one model version.
type ArmTotals struct {
	Arm          string `json:"arm" doc:"older: arms that are not told apart any more"`
	ModelVersion string `json:"model_version" doc:"empty before the first model; older: versions that are not told apart any more"`
	Shadow       bool   `json:"shadow" doc:"its lists are computed but not shown: they are scored and never clicked"`

	Answers   int64 `json:"answers" doc:"answers that were logged"`
	Clicked   int64 `json:"clicked" doc:"answers with at least one click"`
	Converted int64 `json:"converted" doc:"answers with at least one conversion"`

	Scored int64   `json:"scored" doc:"lists that were held against the user's next interaction"`
	Hits   int64   `json:"hits" doc:"of those, how often it was among the first ten"`
	Gain   float64 `json:"gain" doc:"sum of the discounted gains at ten of those"`
}

// SourceTotals are the totals of the items that one source put into answers.
type SourceTotals struct {
	Arm          string `json:"arm"`
	ModelVersion string `json:"model_version"`
	Source       Source `json:"source"`

	Shown     int64 `json:"shown" doc:"items shown"`
	Clicked   int64 `json:"clicked" doc:"items clicked, each once per answer"`
	Converted int64 `json:"converted" doc:"items that led to a conversion, each once per answer"`
}

// What stands in ArmTotals and SourceTotals for what is not told apart any more.
const (
	OlderVersions = "older" // model versions
	OlderArms     = "older" // arms
)
