// Package access decides who may ask what: API keys with scopes, each with a rate and a body limit of its own.
//
// It owns the file of keys (File), the check of a request against it (Guard), the HTTP side of that check (Guard.Wrap)
// and the check of the name that a port is asked under (Hosts). A key is 256 random bits; the file holds only SHA-256
// sums, so that reading the file lets nobody in. A fast hash is right here: a slow one protects what people choose, and
// costs every request its time.
//
// # What it promises
//
//   - A key that is in the file is valid within Config.Reload of the file's change, one that is gone is not, and nobody
//     restarts anything. A file that cannot be read or is faulty changes nothing: the keys read last stay valid, and the
//     log says so.
//   - Sums are compared in constant time, also for keys that do not exist.
//   - No secret appears in an error, a log line or a metric; what appears is the key's name or id.
//   - With a keys file there are no requests without a key, except to what the caller declares open. Without one
//     everybody may everything, which is for loopback only: CheckListener refuses another address unless
//     Config.Insecure says so.
//
// # What it needs
//
// Guard is safe for concurrent use and starts no goroutine: the file is looked at by the requests themselves, at most
// once per Config.Reload.
package access
