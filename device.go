package usher

import (
	"encoding/json"
	"time"

	"github.com/usherkit/usher/store"
)

// deviceLife is how long a browser is known.
const deviceLifetime = 180 * 24 * time.Hour

// deviceToken is what a browser keeps to be told from strangers.
type deviceToken struct {
	UserID string    `json:"u"`
	ID     string    `json:"d"`
	At     time.Time `json:"t"`
}

// newDevice returns a token for the browser, with the id it had before if it
// was known.
func (s *Service) newDeviceToken(userID, id string) Secret {
	if id == "" {
		id = randomString(16)
	}
	plain, err := json.Marshal(deviceToken{userID, id, s.now()})
	if err != nil {
		return ""
	}
	return Secret(encode(s.deviceBox.Seal(plain, "device")))
}

// knownDevice returns the id of the browser if it has signed in to that account
// before, and since the password was set: who knew an earlier one, or held the
// account before its owner claimed it, is a stranger.
func (s *Service) knownDeviceID(account store.Account, c Client) string {
	sealed, err := decode(c.Device.Reveal())
	if err != nil || c.Device == "" {
		return ""
	}
	plain, err := s.deviceBox.Open(sealed, "device")
	var d deviceToken
	if err != nil || json.Unmarshal(plain, &d) != nil ||
		d.UserID != account.User.ID || d.At.Before(account.Password.ChangedAt) || s.now().Sub(d.At) > deviceLifetime {
		return ""
	}
	return d.ID
}
