// Package experiment is the offline comparison of SOFT with plain fine-tuning and its other controls on a language model
// (`softrec eval soft`): which data the variants see, in which order they run, what is kept of them and how they are compared.
//
// It owns the folder it writes: runs/ holds one file per run, result.json and report.md what they say together, and the
// plots stand beside them. All are written anew after every run, and a run whose file is there is never made again, so
// an experiment that was cut off goes on where it stood. A folder that holds runs of other settings is refused.
//
// It promises that nothing is chosen on test questions: learning rate and alpha come from the validation part, early stops
// too, and all variants of one seed share their training prompts, their teacher and their seeds. The same options, files
// and seeds give the same figures on one backend; seconds apart, an interrupted and an unbroken experiment end in the same
// result.
//
// It needs a Kit: the model behind one small interface, and an engine for the sequence variant. The package starts no
// goroutine of its own.
package experiment
