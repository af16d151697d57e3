package config

import "github.com/softrec/softrec/ingest/link"

// Secret is text that must not be shown: a password. Every way of printing it gives "***", or nothing when it is empty.
type Secret = link.Secret
