// Package audit says what every window must be, from the log alone, and compares.
//
// It is a second opinion: it shares no code with ingest and its windows, only the documented rules. A record without a value
// empties the window of the user in its key. A value that is no JSON object with user_id, item_id and a timestamp, or that lies
// further ahead of its record's time than allowed, belongs to the dead letters. Any other is an interaction: dropped if its event
// id stands in the window, or if it lies further behind the newest entry than the lateness allows; else it stands behind everything
// that is not newer, and the oldest go where the window is too long.
//
// It owns its copy of all windows in memory. It starts no goroutine; Add may be called from several, one a partition.
package audit
