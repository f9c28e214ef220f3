package sqlstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usherkit/usher/store"
)

// errText refuses text that not every engine can store. The statement is not sent, and
// the transaction is rolled back.
var errInvalidText = errors.New("text is not UTF-8, or holds a zero byte")

// toMicros returns a time as it is stored: in UTC and whole microseconds.
func toMicros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// asJSON is a parameter that is stored as JSON text.
type asJSON struct{ v any }

// optionalTime is a parameter that is stored as NULL if it is zero.
type optionalTime struct{ t time.Time }

// bind converts arguments to types that every driver takes.
func bind(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
				return nil, errInvalidText
			}
			out[i] = v
		case time.Time:
			out[i] = v.UnixMicro()
		case optionalTime:
			if !v.t.IsZero() {
				out[i] = v.t.UnixMicro()
			}
		case []byte:
			if v == nil {
				v = []byte{} // nil would be NULL
			}
			out[i] = v
		case asJSON:
			text, err := json.Marshal(v.v)
			if err != nil {
				return nil, fmt.Errorf("cannot be stored as JSON: %w", err)
			}
			out[i] = string(text)
		default:
			out[i] = v
		}
	}
	return out, nil
}

// timeColumn scans a time.
type timeColumn struct{ to *time.Time }

func (c timeColumn) Scan(src any) error {
	micros, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", src)
	}
	*c.to = time.UnixMicro(micros).UTC()
	return nil
}

// optionalTimeColumn scans a time that may be NULL, which is the zero time.
type optionalTimeColumn struct{ to *time.Time }

func (c optionalTimeColumn) Scan(src any) error {
	if src == nil {
		*c.to = time.Time{}
		return nil
	}
	return timeColumn(c).Scan(src)
}

// jsonColumn scans JSON text.
type jsonColumn struct{ to any }

func (c jsonColumn) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return json.Unmarshal([]byte(v), c.to)
	case []byte:
		return json.Unmarshal(v, c.to)
	default:
		return fmt.Errorf("JSON is stored as %T", src)
	}
}

// attributesColumn scans the attributes of a user.
type attributesColumn struct{ to *store.User }

func (c attributesColumn) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return c.to.SetAttributes([]byte(v))
	case []byte:
		return c.to.SetAttributes(v)
	default:
		return fmt.Errorf("JSON is stored as %T", src)
	}
}

// bytesColumn scans bytes. No bytes are nil.
type bytesColumn struct{ to *[]byte }

func (c bytesColumn) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*c.to = nil
	case []byte:
		*c.to = nil
		if len(v) > 0 {
			*c.to = bytes.Clone(v) // the driver may reuse its memory
		}
	default:
		return fmt.Errorf("bytes are stored as %T", src)
	}
	return nil
}
