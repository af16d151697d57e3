package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// convert turns a raw value of a layer (text from a flag or variable, whatever YAML gave from a file) into the type of
// the setting. The error says only what was wanted; the caller adds key, value and origin.
func (k Key) convert(raw any) (any, error) {
	if raw == nil {
		return nil, errors.New("has no value")
	}
	if k.typ == durationType {
		return convertDuration(raw)
	}
	if k.Kind() == "switch" {
		return convertSwitch(raw, k.typ)
	}
	switch k.typ.Kind() {
	case reflect.String:
		return convertString(raw, k.typ)
	case reflect.Bool:
		return convertBool(raw)
	case reflect.Float64:
		return convertFloat(raw)
	case reflect.Slice:
		return convertList(raw)
	default:
		return convertInt(raw, k.typ)
	}
}

func convertDuration(raw any) (any, error) {
	if s, ok := raw.(string); ok {
		if d, err := time.ParseDuration(s); err == nil {
			return d, nil
		}
	}
	return nil, errors.New("wants a duration with its unit, such as 500ms, 30s or 24h")
}

func convertString(raw any, typ reflect.Type) (any, error) {
	switch v := raw.(type) {
	case string:
		return reflect.ValueOf(v).Convert(typ).Interface(), nil
	case bool, int, int64, uint64, float64: // an unquoted YAML scalar that looks like something else
		return nil, errors.New("wants text: put it in quotes")
	default:
		return nil, errors.New("wants text")
	}
}

func convertBool(raw any) (any, error) {
	switch v := raw.(type) {
	case bool:
		return v, nil
	case string:
		if v == "true" || v == "false" {
			return v == "true", nil
		}
	}
	return nil, errors.New("wants true or false")
}

// convertSwitch takes what convertBool takes, and auto.
func convertSwitch(raw any, typ reflect.Type) (any, error) {
	if raw == "auto" {
		return convertString(raw, typ)
	}
	on, err := convertBool(raw)
	if err != nil {
		return nil, errors.New("wants auto, true or false")
	}
	return convertString(fmt.Sprint(on), typ)
}

func convertFloat(raw any) (any, error) {
	var f float64
	switch v := raw.(type) {
	case float64:
		f = v
	case int:
		f = float64(v)
	case string:
		var err error
		if f, err = strconv.ParseFloat(v, 64); err != nil {
			return nil, errors.New("wants a number")
		}
	default:
		return nil, errors.New("wants a number")
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("wants a finite number")
	}
	return f, nil
}

func convertInt(raw any, typ reflect.Type) (any, error) {
	var text string
	switch v := raw.(type) {
	case int, int64, uint64:
		text = fmt.Sprint(v)
	case string:
		text = v
	default:
		return nil, errors.New("wants a whole number")
	}
	out := reflect.New(typ).Elem()
	if out.CanUint() {
		n, err := strconv.ParseUint(text, 10, typ.Bits())
		if err != nil {
			return nil, errors.New("wants a whole number of at least 0")
		}
		out.SetUint(n)
		return out.Interface(), nil
	}
	n, err := strconv.ParseInt(text, 10, typ.Bits())
	if err != nil {
		return nil, errors.New("wants a whole number")
	}
	out.SetInt(n)
	return out.Interface(), nil
}

// convertList takes a YAML list of texts, or one text with commas between its entries. The empty text is the empty list.
func convertList(raw any) (any, error) {
	list := []string{}
	switch v := raw.(type) {
	case string:
		for entry := range strings.SplitSeq(v, ",") {
			if entry = strings.TrimSpace(entry); entry != "" {
				list = append(list, entry)
			}
		}
		return list, nil
	case []any:
		for i, entry := range v {
			text, ok := entry.(string)
			if !ok {
				return nil, fmt.Errorf("wants a list of texts, but entry %d is %v", i+1, entry)
			}
			list = append(list, text)
		}
		return list, nil
	default:
		return nil, errors.New("wants a list of texts")
	}
}

// show writes a value the way it would be typed; secrets stay hidden.
func (k Key) show(raw any) string {
	if k.Secret {
		return Secret(fmt.Sprint(raw)).String()
	}
	switch v := raw.(type) {
	case nil:
		return ""
	case []string:
		return strings.Join(v, ",")
	default:
		return fmt.Sprint(v)
	}
}
