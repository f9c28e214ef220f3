package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
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

// uniqueMembers walks JSON that is known to be valid, so that a quote, a bracket
// and a comma are all the syntax there is to see.
func uniqueMembers(data []byte) error {
	type level struct {
		names    map[string]struct{} // nil in an array
		nameNext bool
	}
	var stack []level
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			stack = append(stack, level{names: make(map[string]struct{}), nameNext: true})
		case '[':
			stack = append(stack, level{})
		case '}', ']':
			stack = stack[:len(stack)-1]
		case ',':
			top := &stack[len(stack)-1]
			top.nameNext = top.names != nil
		case '"':
			end := stringEnd(data, i)
			if top := &stack[len(stack)-1]; top.nameNext {
				var name string
				if err := json.Unmarshal(data[i:end], &name); err != nil {
					return errors.New("member name is not a string")
				}
				if len(stack) == 1 {
					name = fold(name)
				}
				if _, twice := top.names[name]; twice {
					return errors.New("duplicate member name")
				}
				top.names[name] = struct{}{}
				top.nameNext = false
			}
			i = end - 1
		}
		if len(stack) > maxDepth {
			return errors.New("JSON is nested too deep")
		}
	}
	return nil
}

// stringEnd returns the index after the closing quote of the string that begins at i.
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}
