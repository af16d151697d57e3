package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/schema"
)

// right is a line of the table "Rights" in docs/operations.md.
type right struct {
	kind kafka.ResourceType
	name string
	ops  []kafka.ACLOperationType
}

// tableOfRights is that table for a prefix of the topics' names.
func tableOfRights(topic string) []right {
	read, write, describe, create := kafka.ACLOperationTypeRead, kafka.ACLOperationTypeWrite, kafka.ACLOperationTypeDescribe, kafka.ACLOperationTypeCreate
	all := []right{
		{kafka.ResourceTypeTopic, topic, []kafka.ACLOperationType{describe, read, write, create}},
		{kafka.ResourceTypeTopic, topic + ".items", []kafka.ACLOperationType{describe, read, write, create}},
		{kafka.ResourceTypeTopic, topic + ".impressions", []kafka.ACLOperationType{describe, read, write, create}},
		{kafka.ResourceTypeTopic, topic + ".dead", []kafka.ACLOperationType{describe, read, write, create}},
		{kafka.ResourceTypeTopic, schema.TopicRounds, []kafka.ACLOperationType{describe, write, create}},
	}
	for _, group := range []string{"", "-items", "-impressions", "-outcomes"} {
		all = append(all, right{kafka.ResourceTypeGroup, topic + group, []kafka.ACLOperationType{read, describe}})
	}
	return all
}

// entries are the ACLs of a user.
func entries(user string, rights []right) (all []kafka.ACLEntry) {
	for _, r := range rights {
		for _, op := range r.ops {
			all = append(all, kafka.ACLEntry{
				ResourceType: r.kind, ResourceName: r.name, ResourcePatternType: kafka.PatternTypeLiteral,
				Principal: "User:" + user, Host: "*", Operation: op, PermissionType: kafka.ACLPermissionTypeAllow,
			})
		}
	}
	return all
}

// allow gives a user rights, waits until the broker goes by them, and takes them away in the end.
func allow(t *testing.T, client *kafka.Client, user string, rights []right) {
	t.Helper()
	res, err := client.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: entries(user, rights)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(res.Errors...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := client.DeleteACLs(ctx, &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{
			ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny, PrincipalFilter: "User:" + user, HostFilter: "*",
			Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny,
		}}})
		if err != nil {
			t.Error(err)
		}
	})
	eventually(t, func() error {
		res, err := client.DescribeACLs(t.Context(), &kafka.DescribeACLsRequest{Filter: kafka.ACLFilter{
			ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny, PrincipalFilter: "User:" + user, HostFilter: "*",
			Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny,
		}})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return err
		}
		there := 0
		for _, r := range res.Resources {
			there += len(r.ACLs)
		}
		if want := len(entries(user, rights)); there != want {
			return fmt.Errorf("the broker knows %d rights of %q, want %d", there, user, want)
		}
		return nil
	})
}

// A user with the rights of docs/operations.md, and no others, goes the whole road, with attribution too.
func TestApp_onRealServers_rights(t *testing.T) {
	s := securedServers(t)
	user := s.text(t, "limited")
	topic := fmt.Sprintf("softrec.test%d", time.Now().UnixNano())
	links := s.keys(t, "scram-sha-512")
	links["kafka.sasl.username"] = user
	for key, name := range map[string]string{
		"ingest.topic": topic, "ingest.items_topic": topic + ".items", "ingest.dead_letter_topic": topic + ".dead", "ingest.group": topic,
		"attribution.topic": topic + ".impressions", "attribution.enabled": "true",
	} {
		links[key] = name
	}
	transport := &kafka.Transport{}           // to the listener where nobody logs in: who comes that way may do all
	t.Cleanup(transport.CloseIdleConnections) // after the rights are taken away
	admin := &kafka.Client{Addr: kafka.TCP(strings.Split(os.Getenv("TEST_KAFKA"), ",")...), Transport: transport, Timeout: time.Minute}
	t.Run("without any", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		a := &App{cfg: settings(t, links).Config}
		a.kafka, a.log, a.topicsMade = a.cfg.Kafka, slog.New(slog.DiscardHandler), make(chan struct{})
		if err := a.makeTopics(ctx); err == nil || !strings.Contains(err.Error(), "ACL for it is missing") || ctx.Err() != nil {
			t.Errorf("topics are made by %q, who may not: %v", user, err)
		}
	})
	allow(t, admin, user, tableOfRights(topic))
	wholeRoad(t, links)
}
