package config

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// YAML writes the effective configuration as a file that --config accepts, in the order of the settings. Secrets are
// hidden; a setting that is not at its default says which layer set it.
func (l *Loaded) YAML() (string, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range l.layers.keys {
		if err := place(root, strings.Split(k.Path, "."), k, l.layers); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return b.String(), enc.Close()
}

// place adds the value of k under its path, making the mappings on the way.
func place(at *yaml.Node, path []string, k Key, l *layers) error {
	if len(path) > 1 {
		return place(section(at, path[0]), path[1:], k, l)
	}
	value := &yaml.Node{}
	if err := value.Encode(plain(k, l.merged.Get(k.Path))); err != nil {
		return fmt.Errorf("write %s: %w", k.Path, err)
	}
	if value.Kind == yaml.SequenceNode {
		value.Style = yaml.FlowStyle
	}
	if origin, set := l.origins[k.Path]; set {
		value.LineComment = "from " + origin
	}
	at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, value)
	return nil
}

// section returns the mapping named name below at; it is the last one there, because keys come section by section.
func section(at *yaml.Node, name string) *yaml.Node {
	if n := len(at.Content); n > 0 && at.Content[n-2].Value == name {
		return at.Content[n-1]
	}
	child := &yaml.Node{Kind: yaml.MappingNode}
	at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, child)
	return child
}

// plain is the value as YAML should show it.
func plain(k Key, v any) any {
	if d, ok := v.(time.Duration); ok {
		return d.String()
	}
	if k.Secret {
		return k.show(v)
	}
	return v
}
