package token

import (
	"encoding/base64"
	"errors"
	"strings"
)

// MaxSize is the longest token in bytes that is looked at, or made. A longer one
// is refused before anything else is done with it.
const MaxSize = 8 << 10

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
