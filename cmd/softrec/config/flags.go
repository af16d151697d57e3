package config

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"
)

// text is a flag that keeps what was typed. The settings judge it later, together with the other layers, so that a
// wrong flag is reported beside a wrong file and not instead of it.
type text struct {
	value, kind string
}

func (t *text) Set(s string) error { t.value = s; return nil }
func (t *text) String() string     { return t.value }
func (t *text) Type() string       { return t.kind }

// bind declares a flag for every key of the sections, "" meaning the settings of the top level.
func bind(fs *pflag.FlagSet, keys []Key, sections []string) {
	for _, k := range keys {
		if !slices.ContainsFunc(sections, k.in) {
			continue
		}
		f := fs.VarPF(&text{value: k.show(k.Default), kind: k.Kind()}, k.Flag(), "", k.Help)
		if k.Kind() == "bool" || k.Kind() == "switch" {
			f.NoOptDefVal = "true"
		}
		f.Annotations = map[string][]string{annotation: {k.Path}}
	}
}

// annotation marks the flags that are settings.
const annotation = "softrec_setting"

// IsSetting reports whether f was declared by Bind.
func IsSetting(f *pflag.Flag) bool { return f.Annotations[annotation] != nil }

// Given returns the settings among the flags of fs that were typed, as Sources.Flags wants them.
func Given(fs *pflag.FlagSet) map[string]string {
	given := map[string]string{}
	fs.Visit(func(f *pflag.Flag) {
		if IsSetting(f) {
			given[f.Name] = f.Value.String()
		}
	})
	return given
}

// Bind declares the flags of the named sections on fs: "kafka", "redis", ..., or a part of one, "text.machine"; "" names the top level. A command
// declares the sections it uses; the file and the environment may always hold all of them.
func Bind(fs *pflag.FlagSet, sections ...string) error {
	keys, err := Keys(Default())
	if err != nil {
		return err
	}
	for _, s := range sections {
		if !slices.ContainsFunc(keys, func(k Key) bool { return k.in(s) }) {
			return fmt.Errorf("bind flags: no section %q", s)
		}
	}
	bind(fs, keys, sections)
	return nil
}
