package experiment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// report is report.md: the figures as a table, with what one must know to read them.
func report(res *Result, runs kept) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# SOFT against its controls\n")
	rate := ""
	if res.LearningRate > 0 {
		rate = fmt.Sprintf(", learning rate %g", res.LearningRate)
	}
	line("%s (%s), %d epochs at most, batch %d%s, histories of %d titles of %d pieces. Backend: %s.\n", res.Model.Name, res.Model.Kind,
		res.Model.Epochs, res.Model.Batch, rate, res.Data.History, res.Data.Pieces, strings.Join(res.Model.Backends, "; "))
	if res.Model.Answer != "" {
		line("Answers: %s. Ranking: %s.\n", res.Model.Answer, res.Model.Ranking)
	}
	if len(res.Model.Settings) > 0 {
		line("Settings of `text.machine` that are not the defaults: %s.\n", settingsList(res.Model.Settings))
	}
	line("Split %s, regime %s: %d of %d training lines, %d validation and %d of %d test prompts (%d targets), %d items, %d users.\n", res.Data.Split, res.Data.Regime,
		res.Data.TrainPrompts, res.Data.TrainPool, res.Data.ValidPrompts, res.Data.TestPrompts, res.Data.TestPool, res.Data.TestLines, res.Data.Items, res.Data.Users)
	if g := res.GainOverSFT; g != nil {
		line("**SOFT over the fair SFT: %s**, mean of the relative gains of HR and NDCG at 5, 10 and 20, %d seeds (by seed: %s).\n", percent(g), g.Seeds, list(g.BySeed))
	}
	if !res.Complete {
		line("The experiment is not complete: runs are missing.\n")
	}
	line("| variant | HR@5 | HR@10 | HR@20 | NDCG@5 | NDCG@10 | NDCG@20 | over sft | over transitions | seeds |")
	line("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	spread := ""
	for _, name := range VariantNames() {
		v, ok := res.Variants[name]
		if !ok {
			continue
		}
		cells := []string{name}
		for _, m := range metrics() {
			cells = append(cells, v.figure(m.name).of(v.Seeds))
		}
		if v.Seeds > 1 {
			spread = "± is the standard deviation between seeds. "
		}
		line("| %s | %s | %s | %d |", strings.Join(cells, " | "), percent(v.OverSFT), percent(v.OverTransitions), v.Seeds)
	}
	line("\n%sGains are means of the relative gains of all six metrics with their 95 %% intervals; * marks those that leave out 0.\n", spread)
	training(line, res)
	curves(line, runs)
	line("## What was run\n")
	for _, name := range VariantNames() {
		if _, ok := res.Variants[name]; ok {
			line("- `%s`: %s", name, find(name).about)
		}
	}
	line("\n## Notes\n")
	for _, n := range res.Notes {
		line("- %s", n)
	}
	return b.String()
}

// of is a figure of so many seeds in words: one alone has no spread between seeds.
func (f Figure) of(seeds int) string {
	if seeds < 2 {
		return fmt.Sprintf("%.4f", f.Mean)
	}
	return fmt.Sprintf("%.4f ± %.4f", f.Mean, f.SD)
}

// training is the table of costs and of D'.
func training(line func(string, ...any), res *Result) {
	line("## Training\n")
	line("| variant | updates | best epoch | seconds | ranking, s | coverage of D' | popularity of D' |")
	line("| --- | --- | --- | --- | --- | --- | --- |")
	for _, name := range VariantNames() {
		if v, ok := res.Variants[name]; ok && v.Updates > 0 && v.BestEpoch != nil {
			line("| %s | %.0f | %.1f | %.0f | %.0f | %s | %s |", name, v.Updates, *v.BestEpoch, v.Seconds, v.RankSeconds, orDash(v.Coverage), orDash(v.PopularityRatio))
		}
	}
	line("\nMeans over seeds; epochs from 0. Coverage: distinct answers over distinct targets. Popularity: mean count in D of the answers over that of the targets.\n")
}

// curves is the table of the schedules, first seed.
func curves(line func(string, ...any), runs kept) {
	line("## Schedules, seed 0\n")
	line("| variant | lambda | d_e / d_0 | validation HR@10 |")
	line("| --- | --- | --- | --- |")
	for _, name := range VariantNames() {
		if len(runs[name]) == 0 || runs[name][0].Record == nil {
			continue
		}
		rec := runs[name][0].Record
		var lambda, ratio, valid []string
		for _, e := range rec.Student.Epochs {
			lambda = append(lambda, fmt.Sprintf("%.2f", e.Lambda))
			valid = append(valid, fmt.Sprintf("%.4f", e.Validation))
			if rec.Probed > 0 {
				ratio = append(ratio, fmt.Sprintf("%.3f", distanceRatio(runs[name][0], e)))
			}
		}
		line("| %s | %s | %s | %s |", name, strings.Join(lambda, " "), strings.Join(ratio, " "), strings.Join(valid, " "))
	}
	line("")
}

// settingsList is settings in the order of their paths.
func settingsList(settings map[string]string) string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(settings)) {
		out = append(out, fmt.Sprintf("`%s: %s`", path, settings[path]))
	}
	return strings.Join(out, ", ")
}

func percent(g *Gain) string {
	switch {
	case g == nil:
		return "-"
	case !g.Mean.defined():
		return "not defined"
	case !g.Low.defined() || !g.High.defined():
		return fmt.Sprintf("%+.1f %% [not defined]", 100*g.Mean)
	}
	mark := ""
	if g.Significant {
		mark = " *"
	}
	return fmt.Sprintf("%+.1f %% [%+.1f, %+.1f]%s", 100*g.Mean, 100*g.Low, 100*g.High, mark)
}

func list(gains []Ratio) string {
	var out []string
	for _, g := range gains {
		if !g.defined() {
			out = append(out, "not defined")
			continue
		}
		out = append(out, fmt.Sprintf("%+.1f %%", 100*g))
	}
	return strings.Join(out, ", ")
}

func orDash(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", x)
}

// Summary is a few lines for a person at a terminal.
func (res *Result) Summary() string {
	var b strings.Builder
	for _, name := range VariantNames() {
		if v, ok := res.Variants[name]; ok {
			fmt.Fprintf(&b, "%-24s HR@10 %-15s  NDCG@10 %-15s  over sft %s\n", name, v.HR10.of(v.Seeds), v.NDCG10.of(v.Seeds), percent(v.OverSFT))
		}
	}
	return b.String()
}
