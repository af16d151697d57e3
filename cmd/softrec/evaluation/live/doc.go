// Package live runs the real application for the delayed mode of `softrec eval stream`: ingest, trainer and server in this
// process on an embedded broker and store, with baskets sent to the broker and questions asked over HTTP, as a shop would.
//
// It promises that a basket is sent only by Learn, so that no answer before knows of it, and that answers are taken as they
// come: a request that failed is an empty list, a model is as old as it is. The application differs from one in
// production by app.Stage alone: models rank by the time of the log, which runs faster than the clock on the wall.
//
// A System is used from one goroutine. It starts two, which end with Close: one runs the application, one sends.
package live
