package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
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
// a later version may add some.
func parseRevocations(text []byte) ([]listedRevocation, error) {
	var list struct {
		Revocations *[]listedRevocation `json:"revocations"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("token: revocations: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("token: revocations: data after the list")
	}
	if list.Revocations == nil {
		return nil, errors.New("token: revocations: no list")
	}
	for i, one := range *list.Revocations {
		if one.SessionID == "" || len(one.SessionID) > maxSessionID || one.Until <= 0 {
			return nil, fmt.Errorf("token: revocations: entry %d has no valid sid and until", i)
		}
	}
	return *list.Revocations, nil
}
