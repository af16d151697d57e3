package config

import (
	"strings"
	"testing"
)

// What the parts refuse together is refused by name, all of it at once; each by itself, and what belongs together, is fine.
func TestConfig_Check(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string // flags
		want []string          // nothing: no fault
	}{
		"the defaults":          {nil, nil},
		"servers of one's own":  {map[string]string{"kafka-brokers": "k:1", "redis-addrs": "r:1", "kafka-tls-enabled": "true"}, nil},
		"Kafka and sentinels":   {map[string]string{"kafka-brokers": "k:1", "redis-sentinel-addrs": "r:1", "redis-sentinel-master": "m"}, nil},
		"the text learner":      {map[string]string{"learner": "text", "model": "folder"}, nil},
		"topic without its use": {map[string]string{"attribution-topic": "softrec.items"}, nil},
		"Kafka alone":           {map[string]string{"kafka-brokers": "k:1"}, []string{`kafka.brokers ["k:1"] are given but redis.addrs is empty`}},
		"Redis alone":           {map[string]string{"redis-addrs": "r:1"}, []string{`redis.addrs "r:1" are given but kafka.brokers is empty`}},
		"TLS to nobody":         {map[string]string{"kafka-tls-enabled": "true"}, []string{"kafka.brokers is empty, but kafka.tls or kafka.sasl is set"}},
		"rounds among items":    {map[string]string{"trainer-rounds-topic": "softrec.items"}, []string{`trainer.rounds_topic "softrec.items"`}},
		"both topics": {
			map[string]string{"trainer-rounds-topic": "softrec.items", "attribution-enabled": "true", "attribution-topic": "softrec.deadletter"},
			[]string{`trainer.rounds_topic "softrec.items"`, `attribution.topic "softrec.deadletter"`},
		},
		"several": {
			map[string]string{"redis-addrs": "r:1", "learner": "text", "attribution-enabled": "true", "attribution-topic": "softrec.rounds"},
			[]string{"kafka.brokers is empty", `attribution.topic "softrec.rounds"`, "text.model is empty"},
		},
	} {
		loaded, err := Load(Sources{Flags: c.set})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = loaded.Config.Check()
		if n := len(flatten(err)); n != len(c.want) {
			t.Errorf("%s: %d faults, want %d: %v", name, n, len(c.want), err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q in it", name, err, want)
			}
		}
	}
}
