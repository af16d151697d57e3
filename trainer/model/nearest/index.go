package nearest

import (
	"errors"
	"fmt"
	"math"
)

// Index says which rows of a table are near each other. It is immutable and safe for concurrent use.
type Index struct {
	dim     int
	rows    int       // of the table, row 0 included, which is in no list
	centres []float32 // list by list, dim floats each
	starts  []int32   // where each list begins in items; one more for the end
	items   []int32   // rows by list, ascending within one
	probes  int       // lists that a query looks into
	recall  float64   // at 10, measured when it was built
}

// Rows is the number of rows of the table that the index is for, row 0 included.
func (x *Index) Rows() int { return x.rows }

// Lists is the number of lists, Probes how many of them a search looks into.
func (x *Index) Lists() int { return len(x.starts) - 1 }

// Probes is how many lists a search looks into.
func (x *Index) Probes() int { return x.probes }

// Recall is the share of the true best ten that searches found when the index was built.
func (x *Index) Recall() float64 { return x.recall }

// Bytes is what the index takes beside the table.
func (x *Index) Bytes() int { return 4 * (len(x.centres) + len(x.starts) + len(x.items)) }

// Fits reports an error unless x is an index for a table of that many rows and floats a row.
func (x *Index) Fits(rows, dim int) error {
	if x.rows != rows || x.dim != dim {
		return fmt.Errorf("index of %d rows of %d floats for a table of %d of %d", x.rows, x.dim, rows, dim)
	}
	return nil
}

func (x *Index) list(k int) []int32 { return x.items[x.starts[k]:x.starts[k+1]] }

func (x *Index) check() error {
	var errs []error
	if x.dim < 1 || len(x.centres) != x.Lists()*x.dim {
		errs = append(errs, fmt.Errorf("%d floats of centres for %d lists of %d", len(x.centres), x.Lists(), x.dim))
	}
	if x.probes < 1 || x.probes > x.Lists() {
		errs = append(errs, fmt.Errorf("%d of %d lists to look into", x.probes, x.Lists()))
	}
	if !(x.recall >= 0 && x.recall <= 1) {
		errs = append(errs, fmt.Errorf("recall %v", x.recall))
	}
	for _, v := range x.centres {
		if v-v != 0 {
			errs = append(errs, fmt.Errorf("a centre has a coordinate %v", v))
			break
		}
	}
	return errors.Join(append(errs, x.checkLists())...)
}

// checkLists demands that every row but 0 is in one list.
func (x *Index) checkLists() error {
	if len(x.items) != x.rows-1 || x.rows > math.MaxInt32 {
		return fmt.Errorf("%d rows in lists, want %d", len(x.items), x.rows-1)
	}
	seen := make([]bool, x.rows)
	for k := range x.Lists() {
		if x.starts[k] > x.starts[k+1] || int(x.starts[k+1]) > len(x.items) || x.starts[k] < 0 {
			return fmt.Errorf("list %d goes from %d to %d", k, x.starts[k], x.starts[k+1])
		}
		for _, row := range x.list(k) {
			if row < 1 || int(row) >= x.rows || seen[row] {
				return fmt.Errorf("list %d holds row %d, which is out of range or in another place", k, row)
			}
			seen[row] = true
		}
	}
	return nil
}
