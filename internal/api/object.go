package api

import (
	"encoding/json"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/problem"
)

// object is a JSON object from a client. Its methods record each member of the wrong
// type, and err returns all these errors.
type object struct {
	members map[string]json.RawMessage
	// prefix precedes the names of members in errors.
	prefix string
	errors *[]route.Field
}

func newObject(members map[string]json.RawMessage) object {
	return object{members: members, errors: new([]route.Field)}
}

// err returns nil if every member that was read has the right type.
func (o object) err() error {
	if len(*o.errors) == 0 {
		return nil
	}
	return &route.InputError{Code: problem.InvalidRequest, Fields: *o.errors}
}

// get returns a member that is present and not null.
func (o object) get(name string) (json.RawMessage, bool) {
	raw, ok := o.members[name]
	return raw, ok && string(raw) != "null"
}

func (o object) addError(name, detail string) {
	*o.errors = append(*o.errors, route.Field{Name: o.prefix + name, Code: "invalid", Detail: detail})
}

// text returns a member that is a string. One that is absent or null is "".
func (o object) text(name string) string {
	raw, ok := o.get(name)
	if !ok {
		return ""
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		o.addError(name, "must be text")
		return ""
	}
	return *s
}

// endWithBrowser returns whether the member rememberMe is false, and the default if it
// is absent or null.
func (o object) endWithBrowser(byDefault bool) bool {
	const name = "rememberMe"
	raw, ok := o.get(name)
	if !ok {
		return byDefault
	}
	var remember bool
	if err := json.Unmarshal(raw, &remember); err != nil {
		o.addError(name, "must be true or false")
	}
	return !remember
}

// secret is like text, for a value that must not be printed.
func (o object) secret(name string) usher.Secret { return usher.Secret(o.text(name)) }

// optional is like text, but returns nil for an absent member. null gives "", as in
// a merge patch (RFC 7396).
func (o object) optional(name string) *string {
	if _, ok := o.members[name]; !ok {
		return nil
	}
	s := o.text(name)
	return &s
}

// object returns a member that is an object. One that is absent or null is an
// empty one.
func (o object) object(name string) object {
	inner := object{prefix: o.prefix + name + ".", errors: o.errors}
	raw, ok := o.get(name)
	if !ok {
		return inner
	}
	if err := json.Unmarshal(raw, &inner.members); err != nil {
		o.addError(name, "must be an object")
	}
	return inner
}

// fields returns a member that is an object of the program's sign-up fields. The Service
// checks their types.
func (o object) fields(name string) usher.Fields {
	inner := o.object(name)
	if len(inner.members) == 0 {
		return nil
	}
	values := usher.Fields{}
	for name, raw := range inner.members {
		var v any
		if json.Unmarshal(raw, &v) != nil {
			v = raw // a number out of range, which is neither text nor a box
		}
		values[name] = v
	}
	return values
}

// profile returns the profile fields that users edit themselves.
func (o object) profile() usher.Profile {
	return usher.Profile{
		Name: o.optional("name"), GivenName: o.optional("givenName"), MiddleName: o.optional("middleName"),
		FamilyName: o.optional("familyName"), Phone: o.optional("phone"), Picture: o.optional("picture"),
	}
}
