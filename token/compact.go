package token

import (
	"encoding/base64"
	"errors"
	"strings"
)

// MaxSize is the maximum length of a token in bytes. A longer one is refused without
// reading it, and is never issued.
const MaxSize = 8 << 10

var strictBase64 = base64.RawURLEncoding.Strict()

// segments are the parts of a compact JWS (RFC 7515 §7.1), not yet decoded. The decoding
// refuses an empty header or payload, and a further dot.
type segments struct {
	signed                     string // header and payload with the dot in between: the signed text
	header, payload, signature string
}

func split(raw string) (s segments, ok bool) {
	header, rest, _ := strings.Cut(raw, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	if signature == "" { // also if there are fewer than two dots
		return s, false
	}
	return segments{
		signed:    raw[:len(header)+1+len(payload)],
		header:    header,
		payload:   payload,
		signature: signature,
	}, true
}

// decodeSegment decodes unpadded base64url, and refuses all but the canonical encoding.
func decodeSegment(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // encoding/base64 would skip it
		return nil, errors.New("line break in base64url")
	}
	return strictBase64.DecodeString(s)
}
