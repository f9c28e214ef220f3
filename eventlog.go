package usher

import (
	"net/netip"

	"github.com/usherkit/usher/internal/logs"
)

// failures are the events that tell of something refused or given up.
var failures = map[EventName]bool{
	EventSignUpRefused: true, EventSignInFailed: true, EventPasswordLocked: true, EventThrottled: true,
	EventPasswordChangeFailed: true, EventPasswordExpired: true, EventPasswordDamaged: true, EventBreachCheckFailed: true,
	EventTokenRefused: true, EventTokenReused: true, EventMailGivenUp: true, EventMailDropped: true, EventForbidden: true,
}

// result says whether what was asked for was done.
func (n EventName) result() string {
	if failures[n] {
		return "failure"
	}
	return "success"
}

// hashed is what the log has of an id, if there is one.
func hashed(id string) string {
	if id == "" {
		return ""
	}
	return logs.Hash(id)
}

// networkOf is what the log has of an address, if there is one.
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	return logs.Network(a)
}
