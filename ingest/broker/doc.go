// Package broker is softrec's adapter for Kafka, and the only package that imports a Kafka client (kafka-go). It speaks
// to a real cluster and to the embedded broker alike.
//
// It owns connections, consumer-group membership and retries. Its parts:
//
//   - EnsureTopics creates what is missing and waits until the cluster shows it. Call it before anything else: a reader
//     that starts before its topic exists may never see it.
//   - Producer writes with acks=all and spreads keys as Java clients do, so that one user's events share a partition
//     whoever sends them. A retried write can store a record twice (kafka-go has no idempotent producer): give events ids.
//   - GroupSource reads a topic as a member of a consumer group. Delivery is at least once.
//   - PartitionSource reads every partition from offsets the caller keeps.
//
// Offsets of records are positions (Position): with WithLives they go on growing when a topic is deleted and made anew, or when a
// partition loses its end, so that whoever remembers what it has seen by position is never wrong about it.
//
// It promises that within a partition records come in offset order without a gap from the start offset on, and that a
// broker that is away makes calls wait, never fail, until their context ends. The one way to miss records is retention
// deleting them before they were read: that is logged with their number and counted. A store behind WithLives or WithProgress that is
// away makes a source wait too; one that refuses for a reason that waiting does not cure ends its reading with that reason.
//
// It does not hide what kafka-go cannot: an empty value and no value (a tombstone) both come out as a nil Value, records
// of aborted transactions are delivered, and so are transaction markers, as records with garbage in them.
//
// Goroutines: a GroupSource runs one for its membership and two for each assigned partition, a PartitionSource one for
// watching partitions and two for each partition; Close ends them and waits. A Producer runs one for each partition that
// it wrote to, and those of its connections; Close ends them too.
package broker
