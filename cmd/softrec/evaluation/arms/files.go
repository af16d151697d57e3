package arms

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/softrec/softrec/schema"
)

// CompareFiles is Compare of two files as ReadImpressions and ReadOutcomes take them. Files ordered by time, give or take five
// minutes, are read once, side by side: memory holds the answers within the rules' window and a few sums for each user by arm and
// model version. Others are read again, as a whole, and the report says where the order was broken.
func CompareFiles(impressions, interactions string, r Rules) (Report, error) {
	rep, broken := compareOrdered(impressions, interactions, r)
	if !errors.Is(broken, errUnordered) {
		return rep, broken
	}
	for _, path := range []string{impressions, interactions} {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return Report{}, fmt.Errorf("%w; it would have to be read again as a whole, and %s is no file that can be: sort by time, or write files", broken, path)
		}
	}
	ims, err := ReadImpressions(impressions)
	if err != nil {
		return Report{}, err
	}
	outcomes, err := ReadOutcomes(interactions)
	if err != nil {
		return Report{}, err
	}
	rep, err = Compare(ims, outcomes, r)
	rep.Whole = broken.Error()
	return rep, err
}

// compareOrdered reads both files once. Its error is errUnordered where they are not ordered by time.
func compareOrdered(impressions, interactions string, r Rules) (Report, error) {
	ims, err := openFile(impressions, schema.DecodeImpression)
	if err != nil {
		return Report{}, err
	}
	defer ims.close()
	events, err := openFile(interactions, decodeOutcome)
	if err != nil {
		return Report{}, err
	}
	defer events.close()
	s, outcomes := newStream(r), 0
	for {
		o, err := events.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Report{}, err
		}
		outcomes++
		if !s.counts(o) {
			continue
		}
		if err := s.expect(o.Time); err != nil {
			return Report{}, events.fault(err)
		}
		for s.behind(o.Time) {
			if err := showNext(s, ims); err != nil {
				return Report{}, err
			}
		}
		s.reward(o)
	}
	s.lastOutcome()
	for !s.ended {
		if err := showNext(s, ims); err != nil {
			return Report{}, err
		}
	}
	return s.tally.report(outcomes)
}

// showNext hands the next impression of a file over, or that there is none.
func showNext(s *stream, ims *file[schema.Impression]) error {
	im, err := ims.next()
	if errors.Is(err, io.EOF) {
		s.lastShown()
		return nil
	}
	if err != nil {
		return err
	}
	return ims.fault(s.show(im))
}
