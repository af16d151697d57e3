package experiment

import "errors"

// ErrFlavour means that a model has no such flavour; its variant is left out with a note.
var ErrFlavour = errors.New("this kind of model has no such variant")
