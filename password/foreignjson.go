package password

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Bytes are raw bytes. Their JSON is a text in base64, in the standard alphabet or in that
// of URLs, with or without padding.
type Bytes []byte

// UnmarshalText decodes base64. Its error is an [*ImportError].
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	if *b, err = anyBase64(string(text)); err != nil {
		return &ImportError{Reason: "is not base64"}
	}
	return nil
}

var urlToStandard = strings.NewReplacer("-", "+", "_", "/")

// anyBase64 decodes base64 in either alphabet, with or without padding, and ignores the end
// of a line.
func anyBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(urlToStandard.Replace(strings.TrimRight(s, "=\r\n")))
}

// trimLineEnd removes the end of a line, which a column of a CSV file may leave after a
// hash.
func trimLineEnd(s string) string { return strings.TrimRight(s, "\r\n") }

// UnmarshalJSON reads an object with one member, such as {"bcrypt": {"hash": "$2b$…"}},
// which has the name of a field of Foreign and is an object itself. Its errors are an
// [*ImportError]: a member that does not exist is an error, too.
func (f *Foreign) UnmarshalJSON(data []byte) error {
	err := f.decode(data)
	if err == nil {
		return nil
	}
	// encoding/json does not name the member of every error, so look for it.
	var formats map[string]json.RawMessage
	if json.Unmarshal(data, &formats) != nil {
		return importErr("Foreign", "must be a JSON object")
	}
	for format, value := range formats {
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil {
			members = nil
		}
		for name, value := range members {
			if err := new(Foreign).decode(fmt.Appendf(nil, "{%q:{%q:%s}}", format, name, value)); err != nil {
				return importErr(goName(format, name), "%s", jsonReason(err))
			}
		}
		if err := new(Foreign).decode(fmt.Appendf(nil, "{%q:%s}", format, value)); err != nil {
			return importErr(goName(format, ""), "%s", jsonReason(err))
		}
	}
	return importErr("Foreign", "%s", jsonReason(err))
}

func (f *Foreign) decode(data []byte) error {
	type plain Foreign // without this method
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode((*plain)(f)); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errForm
	}
	return nil
}

// jsonReason describes an error of encoding/json, without the value that caused it.
func jsonReason(err error) string {
	var wrongType *json.UnmarshalTypeError
	var known *ImportError
	switch {
	case errors.As(err, &known):
		return known.Reason
	case errors.As(err, &wrongType):
		return "must not be a JSON " + wrongType.Value
	}
	return "is not a member"
}

// goName returns the path of a member within Foreign, as in the other errors.
func goName(format, name string) string {
	same := func(name string) func(string) bool {
		return func(field string) bool { return strings.EqualFold(field, name) }
	}
	f, ok := reflect.TypeFor[Foreign]().FieldByNameFunc(same(format))
	if !ok || name == "" {
		return format
	}
	if f.Type.Kind() == reflect.Pointer {
		if member, ok := f.Type.Elem().FieldByNameFunc(same(name)); ok {
			name = member.Name
		}
	}
	return f.Name + "." + name
}
