package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/strictjson"
)

// revocationList is the published form of a list of revocations. In a file it has the URL
// besides.
type revocationList struct {
	Revocations []listedRevocation `json:"revocations"`
	URL         string             `json:"url,omitempty"`
}

type listedRevocation struct {
	SessionID string `json:"sid"`
	Until     int64  `json:"until"` // Unix seconds
}

// maxSessionID is much longer than any session id of Usher.
const maxSessionID = 256

// JSON returns the list in the form that RemoteRevocations reads:
//
//	{"revocations":[{"sid":"…","until":1764000000}]}
//
// The sessions are in the order of their ids, and until is in Unix seconds, rounded up.
// Session ids are not secrets.
func (r *Revocations) JSON() []byte {
	return r.json("")
}

// json is JSON, with the URL of the list for a file.
func (r *Revocations) json(url string) []byte {
	list := revocationList{Revocations: make([]listedRevocation, 0, r.Len()), URL: url}
	for id, until := range r.all() {
		list.Revocations = append(list.Revocations, listedRevocation{id, until.Add(time.Second - 1).Unix()})
	}
	slices.SortFunc(list.Revocations, func(a, b listedRevocation) int { return strings.Compare(a.SessionID, b.SessionID) })
	text, err := json.Marshal(list)
	if err != nil {
		panic("token: " + err.Error()) // texts and numbers only
	}
	return text
}

// parseRevocations reads the form that JSON writes. It ignores unknown members, because
// a later version may add some, and refuses a text that two readers may read differently.
func parseRevocations(text []byte) ([]listedRevocation, error) {
	members, err := strictjson.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("token: revocations: %w", err)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(members.Get("revocations"), &raws); err != nil || raws == nil {
		return nil, errors.New("token: revocations: no list")
	}
	list := make([]listedRevocation, len(raws))
	for i, raw := range raws {
		entry, _ := strictjson.AsObject(raw)
		sid, _ := strictjson.AsString(entry.Get("sid"))
		until, err := strconv.ParseInt(string(entry.Get("until")), 10, 64)
		if sid == "" || len(sid) > maxSessionID || err != nil || until <= 0 {
			return nil, fmt.Errorf("token: revocations: entry %d has no valid sid and until", i)
		}
		list[i] = listedRevocation{sid, min(until, maxDate)} // no token is valid for longer
	}
	return list, nil
}
