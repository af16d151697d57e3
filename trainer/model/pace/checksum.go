package pace

import "hash/crc32"

// castagnoli is never written.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the CRC-32C (Castagnoli) of b, made in pieces at the pace of p, nil for as fast as it can: its loop in assembler cannot be interrupted.
func (p *Pacer) Checksum(b []byte) (sum uint32) {
	const piece = 64 << 10
	for len(b) > 0 {
		n := min(len(b), piece)
		sum = crc32.Update(sum, castagnoli, b[:n])
		b = b[n:]
		p.Did(n / 8)
	}
	return sum
}
