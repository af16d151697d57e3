package broker

import "errors"

// StoreError is a fault of the store behind WithLives and WithProgress, to be told from the broker's own.
type StoreError struct{ Err error }

// inLedger marks err, which may be nil.
func inLedger(err error) error {
	if err == nil {
		return nil
	}
	return &StoreError{Err: err}
}

// Error is that of the store.
func (e *StoreError) Error() string { return e.Err.Error() }

// Unwrap gives the store's error, which decides whether another try may help.
func (e *StoreError) Unwrap() error { return e.Err }

// fromLedger reports whether err is the store's.
func fromLedger(err error) bool {
	var e *StoreError
	return errors.As(err, &e)
}
