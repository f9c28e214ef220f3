package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxSize is the longest token in bytes that is looked at, or made. A longer one
// is refused before anything else is done with it.
const MaxSize = 8 << 10

// maxDepth is how deep JSON may nest in a token or a key set.
const maxDepth = 32

var strictBase64 = base64.RawURLEncoding.Strict()

// segments is a compact JWS (RFC 7515 §7.1), split and not yet decoded.
type segments struct {
	signed                     string // header and payload with the dot between: what is signed
	header, payload, signature string
}

func split(raw string) (s segments, ok bool) {
	header, rest, ok := strings.Cut(raw, ".")
	if !ok {
		return s, false
	}
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || header == "" || payload == "" || signature == "" || strings.IndexByte(signature, '.') >= 0 {
		return s, false
	}
	return segments{
		signed:    raw[:len(header)+1+len(payload)],
		header:    header,
		payload:   payload,
		signature: signature,
	}, true
}

// decodeSegment takes canonical, unpadded base64url only: one text for one value.
func decodeSegment(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // which encoding/base64 would skip
		return nil, errors.New("line break in base64url")
	}
	return strictBase64.DecodeString(s)
}

// parseObject reads one JSON object and nothing after it. It refuses invalid UTF-8,
// deep nesting and duplicate member names, at the top also those that differ only
// in case: readers disagree about which of two they take (RFC 8725 §2.4, RFC 7519 §4).
func parseObject(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("JSON is not UTF-8")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, errors.New("not a JSON object")
	}
	if err := uniqueMembers(data); err != nil {
		return nil, err
	}
	return members, nil
}

// uniqueMembers walks JSON that is known to be valid.
func uniqueMembers(data []byte) error {
	type level struct {
		names    map[string]struct{} // nil in an array
		nameNext bool
	}
	var stack []level
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // 1e400 is a number like any other here
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errors.New("not JSON")
		}
		var top *level
		if n := len(stack); n > 0 {
			top = &stack[n-1]
		}
		if top != nil && top.nameNext {
			if name, ok := t.(string); ok {
				if len(stack) == 1 {
					name = fold(name)
				}
				if _, twice := top.names[name]; twice {
					return errors.New("duplicate member name")
				}
				top.names[name] = struct{}{}
				top.nameNext = false
				continue
			}
		}
		switch t {
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			continue
		}
		if top != nil && top.names != nil {
			top.nameNext = true // after this value
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{names: map[string]struct{}{}, nameNext: true})
		case json.Delim('['):
			stack = append(stack, level{})
		}
		if len(stack) > maxDepth {
			return errors.New("JSON is nested too deep")
		}
	}
}
