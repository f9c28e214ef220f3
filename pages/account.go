package pages

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/ipaddr"
	"github.com/usherkit/usher/internal/useragent"
)

// loadUser reads the signed-in user into the page.
func (site *Site) loadUser(x *exchange) error {
	u, session, err := site.service.Me(x.r.Context(), x.claims)
	if err != nil {
		return err
	}
	x.page.User, x.page.LoginID, x.page.endsWithBrowser = u, u.LoginID(), session.EndsWithBrowser
	return nil
}

// loadAccount is loadUser that also reads whether the user has a password. An
// operator who acts as the user may open the account page alone; the Service refuses the forms.
func (site *Site) loadAccount(x *exchange) error {
	if x.claims.Actor != "" && x.in == nil && x.page.Name != "account" {
		return usher.ErrForbidden
	}
	if err := site.loadUser(x); err != nil {
		return err
	}
	has, err := site.service.HasPassword(x.r.Context(), x.page.User.ID)
	if errors.Is(err, usher.ErrNotFound) { // deleted meanwhile
		return usher.ErrInvalidSession
	}
	if x.page.NoPassword = err == nil && !has; x.page.NoPassword {
		x.notAsked = []string{"currentPassword"}
	}
	return err
}

// otherUser returns the login id of the user who is signed in, if that is not the user
// with that id, and otherwise "".
func (site *Site) otherUser(x *exchange, userID string) string {
	if x.claims == nil || x.claims.Subject == userID {
		return ""
	}
	u, _, err := site.service.Me(x.r.Context(), x.claims)
	if err != nil {
		return "" // the session has ended, or the page does without the hint
	}
	return u.LoginID()
}

func (site *Site) accountView() *view {
	return &view{page: "account", path: "/account", prepare: site.loadAccount, open: site.fillAccount}
}

// fillAccount reads what only the account page shows, and an operator who acts as the user
// may not see.
func (site *Site) fillAccount(x *exchange) error {
	if x.claims.Actor != "" {
		return nil
	}
	list, err := site.service.Sessions(x.r.Context(), x.claims)
	if err != nil {
		return err
	}
	x.page.setSessions(list, x.claims.SessionID, site.visits.Address(x.r), site.chain.Now())
	pending, err := site.service.PendingEmail(x.r.Context(), x.page.User.ID)
	x.page.setPendingEmail(pending)
	return err
}

// setPendingEmail shows a change of address that is not confirmed yet.
func (p *Page) setPendingEmail(pending usher.PendingEmail) {
	if pending.Address == "" {
		return
	}
	until := pending.ExpiresAt.UTC()
	p.PendingEmail, p.PendingUntil, p.PendingUntilISO = pending.Address, p.speaker.Time(until), until.Format(time.RFC3339)
}

// maxShownSessions is the number of sessions that are shown before the user opens the
// full list.
const maxShownSessions = 5

// setSessions shows the sessions, the current one first. at is the address of the
// browser.
func (p *Page) setSessions(sessions []usher.Session, current string, at netip.Addr, now time.Time) {
	all := make([]Session, 0, len(sessions))
	for _, s := range sessions {
		browser, system := useragent.Of(s.UserAgent)
		seen := s.LastSeenAt.UTC()
		address, _ := netip.ParseAddr(s.Address) // may be empty
		one := Session{
			Page: p, ID: s.ID, Address: ipaddr.Short(address), Current: s.ID == current,
			SameNetwork: address.IsValid() && ipaddr.Network(address) == ipaddr.Network(at),
			Device:      cmp.Or(p.speaker.Device(browser, system), p.T("account.device")),
			Seen:        p.speaker.Time(seen), SeenISO: seen.Format(time.RFC3339), Ago: p.speaker.Ago(now.Sub(seen)),
		}
		if one.Current {
			all = slices.Insert(all, 0, one)
		} else {
			all = append(all, one)
		}
	}
	shown := min(len(all), maxShownSessions)
	p.Sessions, p.MoreSessions = all[:shown], all[shown:]
}

func (site *Site) nameView() *view {
	return &view{
		page: "name", path: "/account/name", inputs: []string{"name"}, prepare: func(x *exchange) error {
			err := site.loadUser(x)
			if x.in == nil {
				x.page.values["name"] = x.page.User.Name
			}
			return err
		},
		send: func(x *exchange) error {
			name := x.in["name"]
			if _, err := site.service.UpdateProfile(x.r.Context(), x.claims, usher.Profile{Name: &name}, site.client(x)); err != nil {
				return err
			}
			return site.redirectWithNotice(x, "/account", "name_changed")
		},
	}
}

func (site *Site) passwordView() *view {
	inputs := []string{"currentPassword", "newPassword"}
	return &view{
		page: "password", path: "/account/password", inputs: inputs, required: inputs, prepare: func(x *exchange) error {
			err := site.loadAccount(x)
			if err == nil && x.page.NoPassword {
				return site.redirectInstead(x, "/account") // which offers to set one by email
			}
			return err
		},
		send: func(x *exchange) error {
			in := usher.UpdatePasswordParams{
				NewPassword: usher.Secret(x.in["newPassword"]), CurrentPassword: usher.Secret(x.in["currentPassword"]),
			}
			_, err := site.visits.Renew(x.w, x.r, site.client(x), func(c usher.Client) (usher.Result, error) {
				return site.service.UpdatePassword(x.r.Context(), x.claims, in, c)
			})
			if err != nil {
				return err
			}
			return site.redirectWithNotice(x, "/account", "password_changed")
		},
	}
}

func (site *Site) deleteView() *view {
	inputs := []string{"currentPassword"}
	return &view{
		page: "delete", path: "/account/delete", inputs: inputs, required: inputs, prepare: site.loadAccount,
		send: func(x *exchange) error {
			in := usher.DeleteAccountParams{CurrentPassword: usher.Secret(x.in["currentPassword"])}
			err := site.service.DeleteAccount(x.r.Context(), x.claims, in, site.client(x))
			if errors.Is(err, usher.ErrRecentSignInRequired) && x.page.NoPassword {
				return redirect(x.w, site.pathWithReturn("/session/confirm", site.base+"/account/delete"))
			}
			if err != nil {
				return err
			}
			return site.redirectSignedOut(x, "account_deleted")
		},
	}
}

func (site *Site) revokeView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		id := x.r.PathValue("id")
		err := site.service.RevokeSession(x.r.Context(), x.claims, id, site.client(x))
		if err != nil && !errors.Is(err, usher.ErrNotFound) {
			return err
		}
		if id == x.claims.SessionID {
			return site.redirectSignedOut(x, "signed_out")
		}
		return site.redirectWithNotice(x, "/account", "session_ended")
	}}
}

func (site *Site) signOutView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		stopped, err := site.visits.EndCookieSession(x.w, x.r)
		switch {
		case err != nil:
			return err
		case stopped && x.page.ReturnTo != "":
			return redirect(x.w, x.page.ReturnTo)
		case stopped:
			return site.redirectWithNotice(x, "/account", "acting_stopped")
		}
		return site.redirectSignedOut(x, "signed_out")
	}}
}

func (site *Site) signOutEverywhereView() *view {
	return &view{page: "everywhere", path: "/account/signout", send: func(x *exchange) error {
		if err := site.service.SignOutEverywhere(x.r.Context(), x.claims, site.client(x)); err != nil {
			return err
		}
		return site.redirectSignedOut(x, "signed_out_all")
	}}
}

// redirectSignedOut removes what the browser keeps of a user who has signed out, and
// redirects to the return path or to the sign-in page, which shows a notice.
func (site *Site) redirectSignedOut(x *exchange, code string) error {
	site.visits.ForgetUser(x.w, x.r)
	if x.page.ReturnTo != "" {
		return redirect(x.w, x.page.ReturnTo)
	}
	return site.redirectWithNotice(x, "/signin", code)
}
