package broker

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadataWithIDs is the first version of Metadata that tells topic ids: Kafka 2.8.
const metadataWithIDs = 10

// topicID returns the id that the cluster gave topic, as Kafka's tools print it; a topic that is deleted and made anew has another one.
// It is "" where the cluster is too old to tell.
func topicID(ctx context.Context, cfg Config, client *kafka.Client, topic string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.RequestTimeout)
	defer cancel()
	versions, err := client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err == nil {
		err = versions.Error
	}
	if err != nil {
		return "", fmt.Errorf("id of topic %q: %w", topic, err)
	}
	told := false
	for _, k := range versions.ApiKeys {
		told = told || k.ApiKey == int(protocol.Metadata) && k.MaxVersion >= metadataWithIDs
	}
	if !told {
		return "", nil
	}
	res, err := client.Transport.RoundTrip(ctx, client.Addr, &idRequest{clientID: cfg.ClientID, topic: topic})
	if err != nil {
		return "", fmt.Errorf("id of topic %q: %w", topic, err)
	}
	got, ok := res.(*idResponse)
	if !ok {
		return "", fmt.Errorf("id of topic %q: the transport answered %T", topic, res)
	}
	if got.err != nil {
		return "", fmt.Errorf("id of topic %q: %w", topic, got.err)
	}
	return base64.RawURLEncoding.EncodeToString(got.id[:]), nil
}

// idRequest asks for a topic's id. kafka-go's own Metadata messages end before the version that has it, so this one writes and reads
// itself, in franz-go's form, on a connection that kafka-go has opened, secured and logged in.
type idRequest struct{ clientID, topic string }

// idResponse is the answer.
type idResponse struct {
	id  [16]byte
	err error
}

// ApiKey implements protocol.Message.
//
//lint:ignore ST1003 kafka-go's interface has this name
func (*idRequest) ApiKey() protocol.ApiKey { return protocol.Metadata }

// ApiKey implements protocol.Message.
//
//lint:ignore ST1003 kafka-go's interface has this name
func (*idResponse) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required implements protocol.RawExchanger.
func (*idRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// correlation is the number of the only request that is on the connection meanwhile.
const correlation = 1

// maxMetadata bounds the answer about one topic, in bytes: thousands of partitions.
const maxMetadata = 16 << 20

// RawExchange implements protocol.RawExchanger. An error ends the connection.
func (q *idRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	req, topic := kmsg.NewPtrMetadataRequest(), kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(q.topic)
	req.Version, req.Topics = metadataWithIDs, append(req.Topics, topic)
	if _, err := rw.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID(q.clientID)).AppendRequest(nil, req, correlation)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxMetadata {
		return nil, fmt.Errorf("metadata of %d bytes: want at most %d", n, maxMetadata)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(rw, body); err != nil {
		return nil, err
	}
	body, err := cutHeader(body)
	if err != nil {
		return nil, err
	}
	return q.read(body)
}

func (q *idRequest) read(body []byte) (*idResponse, error) {
	res := kmsg.NewPtrMetadataResponse()
	res.Version = metadataWithIDs
	if err := res.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	for _, t := range res.Topics {
		if t.Topic == nil || *t.Topic != q.topic {
			continue
		}
		if t.ErrorCode != 0 {
			return &idResponse{err: kafka.Error(t.ErrorCode)}, nil
		}
		return &idResponse{id: t.TopicID}, nil
	}
	return &idResponse{err: kafka.UnknownTopicOrPartition}, nil
}

// cutHeader takes the header of a response off: the number of the request, and tagged fields that nobody uses.
func cutHeader(b []byte) ([]byte, error) {
	errShort := errors.New("metadata: cut short")
	if len(b) < 4 || binary.BigEndian.Uint32(b) != correlation {
		return nil, errors.New("metadata: not the answer to this request")
	}
	b = b[4:]
	next := func() (uint64, bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, false
		}
		b = b[n:]
		return v, true
	}
	tags, ok := next()
	for ; ok && tags > 0; tags-- {
		var size uint64
		if _, ok = next(); !ok {
			break
		}
		if size, ok = next(); !ok || size > uint64(len(b)) {
			return nil, errShort
		}
		b = b[size:]
	}
	if !ok {
		return nil, errShort
	}
	return b, nil
}

var _ protocol.RawExchanger = (*idRequest)(nil)
