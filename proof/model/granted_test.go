package model

import (
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
)

// invitation is an invitation of an address, which has a role of its own.
type invitation struct {
	raw     string // "" if the email was not read yet
	to      string
	role    string
	expires time.Time
	gone    bool // accepted, withdrawn, replaced or void
}

func (i *invitation) works(now time.Time) bool { return !i.gone && now.Before(i.expires) }

// invitation returns the open invitation of an address, or nil.
func (s *state) invitation(to string, now time.Time) *invitation {
	for _, i := range s.invitations {
		if i.to == to && i.works(now) {
			return i
		}
	}
	return nil
}

// grant gives the open invitation of the address to a user who has just proven it.
func (s *state) grant(u *account, now time.Time) {
	if i := s.invitation(u.email, now); i != nil {
		i.gone = true
		u.roles = strings.TrimSpace(u.roles + " " + i.role)
	}
}

// inTenant reports whether the user is in a tenant: an invitation gives one that is named as
// its role. Every user is in the tenant "", which is none.
func (u *account) inTenant(id string) bool {
	return id == "" || slices.Contains(strings.Fields(u.roles), id)
}

// claim gives an account that has never proven its address to the owner of the mailbox.
func (s *state) claim(u *account, now time.Time) {
	banned := u.banned
	if u.pwState == "breached" {
		banned = "" // it was not the password of the owner of the mailbox
	}
	u.verified = true
	s.setPassword(u, "", "none")
	u.banned = banned
	s.grant(u, now)
}

// voidInvitations ends the invitations of addresses that a user loses who has proven the
// address, except that of keep.
func (s *state) voidInvitations(u *account, keep string, addresses ...string) {
	for _, i := range s.invitations {
		if u.verified && i.to != keep && slices.Contains(addresses, i.to) {
			i.gone = true
		}
	}
}

// deleteUser removes a user.
func deleteUser(s *state, u *account) {
	s.endSessions(u.id)
	s.dropLinks(u.id)
	s.voidInvitations(u, "", u.login, u.email)
	delete(s.users, u.id)
}

// invited returns the user whom an invitation of an address is for: the one with that login
// id, or else the only one who has proven the address. It is nil if there is none. The error
// is the reason why the address cannot be invited.
func (s *state) invited(to string) (*account, error) {
	u := s.holderOf(to)
	if u == nil {
		for _, other := range s.users {
			if other.email == to && other.verified {
				if u != nil {
					return nil, usher.ErrLoginIDTaken
				}
				u = other
			}
		}
	}
	switch {
	case u == nil:
		return nil, nil
	case u.email != to:
		return nil, usher.ErrLoginIDTaken
	case u.disabled:
		return nil, usher.ErrUserDisabled
	}
	return u, nil
}
