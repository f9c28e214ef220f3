package token

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a string that refuses to print itself: fmt, log/slog, encoding/json
// and encoding.TextMarshaler give "[redacted]". Signed tokens and shared secrets
// have this type, so that a careless log line does no harm. Reveal returns the text.
//
// The one verb that fmt does not let a type answer is %p; go vet refuses it here.
type Secret string

// Reveal returns the secret text. Each call is a place that a review should look at.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb that a string has, also those that
// bypass String.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue makes log/slog write "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes "[redacted]". To send a token, put Reveal into the answer.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText writes "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
