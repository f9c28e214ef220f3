package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/usherkit/usher/internal/strictjson"
)

// revocationList is the published form of a list of revocations.
type revocationList struct {
	Revocations []listedRevocation `json:"revocations"`
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
	list := revocationList{Revocations: make([]listedRevocation, 0, r.Len())}
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.RLock()
		for id, until := range s.until {
			list.Revocations = append(list.Revocations, listedRevocation{id, until.Add(time.Second - 1).Unix()})
		}
		s.mu.RUnlock()
	}
	slices.SortFunc(list.Revocations, func(a, b listedRevocation) int { return bytes.Compare([]byte(a.SessionID), []byte(b.SessionID)) })
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
		list[i] = listedRevocation{sid, until}
	}
	return list, nil
}
