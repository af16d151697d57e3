package broker

// offsetBits is how many bits of a position are the offset: 17 trillion records in a partition, and 512 lives below 2^53, the last number
// that readers who count in float64 can tell from its neighbours.
const offsetBits = 44

// maxLife is the last life a position can name.
const maxLife = 1<<(53-offsetBits) - 1

// Position is where a record stands in the whole history of its partition: positions grow with time even where offsets began anew. life
// counts how often they did (see Life). In the first life, the only one of most topics, a position is the offset.
func Position(life int, offset int64) int64 { return int64(life)<<offsetBits | offset }

// SplitPosition is the inverse of Position.
func SplitPosition(position int64) (life int, offset int64) {
	return int(position >> offsetBits), position & (1<<offsetBits - 1)
}

// behind is how many records a reader whose next record has the position next is behind the end of its partition, also a position. Of
// records of an earlier life none can be read any more.
func behind(next, end int64) int64 {
	was, _ := SplitPosition(next)
	is, offset := SplitPosition(end)
	if was != is {
		return offset
	}
	return max(0, end-next)
}

// KafkaOffset is the record's offset as Kafka's own tools show it.
func (r Record) KafkaOffset() int64 {
	_, offset := SplitPosition(r.Offset)
	return offset
}
