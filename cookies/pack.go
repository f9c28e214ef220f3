package cookies

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
)

// packer is the securecookie.Serializer of a jar, a compact encoding of named
// strings. A cookie has at most 4,096 bytes and securecookie encodes in base64
// twice, so packer decodes the base64 of tokens, which saves a quarter of their
// size. It does not use gob, whose decoder is not made for untrusted input.
//
// The format is a version byte, followed by the values sorted by name: the name, a
// kind byte, and one field (text) or three fields (the parts of a token). Each name
// and field is preceded by its length as a uvarint.
type packer struct{}

const (
	packVersion = 1
	kindText    = 0
	kindToken   = 1
)

var (
	errPackType = errors.New("cookies: a session value is not a string")
	errPackForm = errors.New("cookies: malformed packed values")

	b64 = base64.RawURLEncoding.Strict()
)

// Serialize implements [securecookie.Serializer].
func (packer) Serialize(src any) ([]byte, error) {
	values, ok := asStrings(src)
	if !ok {
		return nil, errPackType
	}
	out := []byte{packVersion}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = appendField(out, []byte(name))
		if parts, ok := unpackToken(values[name]); ok {
			out = append(out, kindToken)
			for _, p := range parts {
				out = appendField(out, p)
			}
		} else {
			out = append(out, kindText)
			out = appendField(out, []byte(values[name]))
		}
	}
	return out, nil
}

// Deserialize implements [securecookie.Serializer]. It is strict although the
// signature of src has been verified.
func (packer) Deserialize(src []byte, dst any) error {
	values, ok := dst.(*map[any]any)
	if !ok {
		return errPackType
	}
	if len(src) == 0 || src[0] != packVersion {
		return errPackForm
	}
	read := make(map[any]any, 4)
	for rest := src[1:]; len(rest) > 0; {
		name, after, ok := cutField(rest)
		if !ok || len(after) == 0 {
			return errPackForm
		}
		kind := after[0]
		first, after, ok := cutField(after[1:])
		if !ok || kind > kindToken {
			return errPackForm
		}
		value := string(first)
		if kind == kindToken {
			second, middle, ok2 := cutField(after)
			third, end, ok3 := cutField(middle)
			if !ok2 || !ok3 {
				return errPackForm
			}
			after = end
			value = b64.EncodeToString(first) + "." + b64.EncodeToString(second) + "." + b64.EncodeToString(third)
		}
		if _, twice := read[string(name)]; twice {
			return errPackForm
		}
		read[string(name)] = value
		rest = after
	}
	*values = read
	return nil
}

// unpackToken decodes the parts of a compact JWS (RFC 7515 §3.1). It returns false
// if encoding them again would not give the same text.
func unpackToken(s string) ([3][]byte, bool) {
	var parts [3][]byte
	texts := strings.SplitN(s, ".", 4)
	if len(texts) != 3 {
		return parts, false
	}
	for i, t := range texts {
		raw, err := b64.DecodeString(t)
		// The decoder skips line breaks.
		if err != nil || b64.EncodeToString(raw) != t {
			return parts, false
		}
		parts[i] = raw
	}
	return parts, true
}

func appendField(out, field []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(field))), field...)
}

func cutField(in []byte) (field, rest []byte, ok bool) {
	n, size := binary.Uvarint(in)
	if size <= 0 || n > uint64(len(in)-size) {
		return nil, nil, false
	}
	return bytes.Clone(in[size : size+int(n)]), in[size+int(n):], true
}

// asStrings converts the values of a gorilla session, which a jar writes as
// strings only.
func asStrings(src any) (map[string]string, bool) {
	values, ok := src.(map[any]any)
	if !ok {
		return nil, false
	}
	out := make(map[string]string, len(values))
	for k, v := range values {
		name, ok1 := k.(string)
		text, ok2 := v.(string)
		if !ok1 || !ok2 {
			return nil, false
		}
		out[name] = text
	}
	return out, true
}
