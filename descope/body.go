package descope

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/internal/strictjson"
	"github.com/usherkit/usher/problem"
)

// readBody reads the body: one JSON object, or an array if the row says so. It may be
// empty, because the SDKs send some calls without one.
func (c *call) readBody(row row) error {
	size := row.size
	if size == 0 {
		size = route.MaxBody
	}
	body, err := route.ReadBodyOf(c.w, c.r, size)
	if err != nil {
		return err
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // RFC 8259 §8.1
	c.in = newObject(nil)
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !route.IsJSON(c.r.Header) {
		return route.ErrMediaType
	}
	if row.list {
		if !json.Valid(body) {
			return route.BadBody("The body is not JSON.")
		}
		body = append(append([]byte(`{"list":`), body...), '}')
	}
	members, err := parse(body)
	if err != nil {
		return err
	}
	c.in = newObject(members)
	return nil
}

// parse returns the members of one JSON object. It refuses everything that two parsers may
// read differently, such as half of a surrogate pair, which encoding/json would replace, so
// that different passwords would be equal.
func parse(body []byte) (strictjson.Object, error) {
	members, err := strictjson.Parse(body)
	switch {
	case errors.Is(err, strictjson.ErrTwice):
		return nil, route.BadBody("The body has a member twice.")
	case err != nil:
		return nil, route.BadBody("The body is not one JSON object in UTF-8, or nests too deep.")
	case strictjson.HasLoneSurrogate(body):
		return nil, route.BadBody("The body has half of a surrogate pair.")
	}
	return members, nil
}

// object is a JSON object from a client. The names of its members are matched without
// regard to letter case, because the SDKs spell some of them in two ways. A member that is
// null is absent. The methods record each member of the wrong type, and err returns all
// these errors.
type object struct {
	members strictjson.Object
	// prefix precedes the names of members in errors.
	prefix string
	errors *[]route.Field
}

func newObject(members strictjson.Object) object {
	return object{members: members, errors: new([]route.Field)}
}

// err returns nil if every member that was read has the right type.
func (o object) err() error {
	if len(*o.errors) == 0 {
		return nil
	}
	return &route.InputError{Code: problem.InvalidRequest, Fields: *o.errors}
}

func (o object) addError(name, code, detail string) {
	*o.errors = append(*o.errors, route.Field{Name: o.prefix + name, Code: code, Detail: detail})
}

// get returns the member, or nil if it is absent or null.
func (o object) get(name string) json.RawMessage {
	for _, m := range o.members {
		if strings.EqualFold(m.Name, name) && string(m.Value) != "null" {
			return m.Value
		}
	}
	return nil
}

// read decodes a member that is not absent into v.
func (o object) read(name string, v any, detail string) {
	raw := o.get(name)
	if raw == nil {
		return
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // in customAttributes
	if d.Decode(v) != nil {
		o.addError(name, "invalid", detail)
	}
}

// bounded is an array of which at most one element more than maxBatch is read, because two
// bytes of text can be an element.
type bounded[T any] []T

// UnmarshalJSON implements [json.Unmarshaler].
func (b *bounded[T]) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("not an array")
	}
	for *b = []T{}; d.More() && len(*b) <= maxBatch; {
		var element T
		if err := d.Decode(&element); err != nil {
			return err
		}
		*b = append(*b, element)
	}
	return nil
}

// text returns a string; "" if it is absent.
func (o object) text(name string) (s string) {
	o.read(name, &s, "must be text")
	return s
}

// secret is text, for a value that must not be printed.
func (o object) secret(name string) usher.Secret { return usher.Secret(o.text(name)) }

// required is text for a member that must not be empty.
func (o object) required(name string) string {
	s := o.text(name)
	if s == "" && (o.get(name) == nil || string(o.get(name)) == `""`) {
		o.addError(name, "required", "must not be empty")
	}
	return s
}

// optional returns a string, or nil if it is absent or empty: the SDKs make no difference.
func (o object) optional(name string) *string {
	s := o.text(name)
	if s == "" {
		return nil
	}
	return &s
}

// flag returns a boolean; false if it is absent.
func (o object) flag(name string) (b bool) {
	o.read(name, &b, "must be true or false")
	return b
}

// object returns an object; an empty one if it is absent. Two of its members whose names
// differ only in letter case are an error.
func (o object) object(name string) object {
	inner := object{prefix: o.prefix + name + ".", errors: o.errors}
	if raw := o.get(name); raw != nil {
		var err error
		if inner.members, err = strictjson.Parse(raw); err != nil {
			o.addError(name, "invalid", "must be an object without duplicate members")
		}
	}
	return inner
}
