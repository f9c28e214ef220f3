package usher

import (
	"encoding/json"
	"time"

	"github.com/usherkit/usher/store"
)

// deviceLifetime is how long a browser stays known after a sign-in.
const deviceLifetime = 180 * 24 * time.Hour

// deviceToken is the content of the token by which a browser is known.
type deviceToken struct {
	UserID string    `json:"u"`
	ID     string    `json:"d"`
	At     time.Time `json:"t"`
}

// newDeviceToken returns a token for the browser. id is the browser's id if it was
// known, and empty otherwise.
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

// knownDeviceID returns the id of the browser if it has signed in to the account
// since the last change of the password, and "" otherwise. An older token may
// belong to an attacker who knew the earlier password.
func (s *Service) knownDeviceID(account store.Account, c Client) string {
	d, ok := s.openDevice(c)
	if !ok || d.UserID != account.User.ID || d.At.Before(account.Password.ChangedAt) {
		return ""
	}
	return d.ID
}

// openDevice returns the client's device token if this Service has issued it and it has
// not expired. It may be one of another user, or of an earlier password.
func (s *Service) openDevice(c Client) (d deviceToken, ok bool) {
	sealed, err := decode(c.Device.Reveal())
	if err != nil || c.Device == "" {
		return d, false
	}
	plain, err := s.deviceBox.Open(sealed, "device")
	if err != nil || json.Unmarshal(plain, &d) != nil || s.now().Sub(d.At) > deviceLifetime {
		return d, false
	}
	return d, true
}
