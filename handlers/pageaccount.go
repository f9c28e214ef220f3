package handlers

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/useragent"
)

// prepareOwn reads the user who is signed in.
func (p *pages) prepareOwn(x *exchange) error {
	u, _, err := p.h.auth.Me(x.r.Context(), x.claims)
	if err != nil {
		return err
	}
	x.page.User, x.page.LoginID = u, u.LoginID()
	return nil
}

func (p *pages) accountView() *view {
	return &view{page: "account", path: "/account", prepare: p.prepareOwn, open: func(x *exchange) error {
		list, err := p.h.auth.Sessions(x.r.Context(), x.claims)
		if err != nil {
			return err
		}
		x.page.list(list, x.claims.SessionID)
		pending, err := p.h.auth.PendingEmail(x.r.Context(), x.page.User.ID)
		x.page.await(pending)
		return err
	}}
}

// await puts a change of address on the page that has not been confirmed yet.
func (p *Page) await(pending usher.PendingEmail) {
	if pending.Address == "" {
		return
	}
	until := pending.ExpiresAt.UTC()
	p.PendingEmail, p.PendingUntil, p.PendingUntilISO = pending.Address, p.speaker.Time(until), until.Format(time.RFC3339)
}

// fewSessions is how many sessions are in sight.
const fewSessions = 5

// list puts the sessions on the page, that of the person who looks first.
func (p *Page) list(sessions []usher.Session, current string) {
	all := make([]PageSession, 0, len(sessions))
	for _, s := range sessions {
		browser, system := useragent.Of(s.UserAgent)
		seen := s.LastSeenAt.UTC()
		one := PageSession{
			Page: p, ID: s.ID, Address: s.Address, Current: s.ID == current,
			Device: cmp.Or(p.speaker.Device(browser, system), p.T("account.device")),
			Seen:   p.speaker.Time(seen), SeenISO: seen.Format(time.RFC3339),
		}
		if one.Current {
			all = slices.Insert(all, 0, one)
		} else {
			all = append(all, one)
		}
	}
	few := min(len(all), fewSessions)
	p.Sessions, p.MoreSessions = all[:few], all[few:]
}

func (p *pages) nameView() *view {
	return &view{
		page: "name", path: "/account/name", inputs: []string{"name"}, prepare: func(x *exchange) error {
			err := p.prepareOwn(x)
			if x.in == nil {
				x.page.values["name"] = x.page.User.Name
			}
			return err
		},
		send: func(x *exchange) error {
			name := x.in["name"]
			if _, err := p.h.auth.UpdateProfile(x.r.Context(), x.claims, usher.Profile{Name: &name}, p.client(x)); err != nil {
				return err
			}
			return p.goOn(x, "/account", "name_changed")
		},
	}
}

func (p *pages) passwordView() *view {
	inputs := []string{"currentPassword", "newPassword"}
	return &view{
		page: "password", path: "/account/password", inputs: inputs, required: inputs, prepare: p.prepareOwn,
		send: func(x *exchange) error {
			in := usher.UpdatePassword{
				NewPassword: usher.Secret(x.in["newPassword"]), CurrentPassword: usher.Secret(x.in["currentPassword"]),
			}
			a, err := p.h.auth.UpdatePassword(x.r.Context(), x.claims, in, p.client(x))
			if err != nil {
				return err
			}
			if err := p.h.keep(x.w, x.r, a); err != nil {
				return err
			}
			return p.goOn(x, "/account", "password_changed")
		},
	}
}

func (p *pages) revokeView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		id := x.r.PathValue("id")
		err := p.h.auth.RevokeSession(x.r.Context(), x.claims, id, p.client(x))
		if err != nil && !errors.Is(err, usher.ErrNotFound) {
			return err
		}
		if id == x.claims.SessionID {
			p.h.forget(x.w, x.r)
			return redirect(x.w, p.base+"/signin?notice=signed_out")
		}
		return p.goOn(x, "/account", "session_ended")
	}}
}

func (p *pages) signOutView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		if err := p.h.endCookieSession(x.w, x.r); err != nil {
			return err
		}
		return redirect(x.w, p.base+"/signin?notice=signed_out")
	}}
}

func (p *pages) signOutEverywhereView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		if err := p.h.auth.SignOutEverywhere(x.r.Context(), x.claims, p.client(x)); err != nil {
			return err
		}
		p.h.forget(x.w, x.r)
		return redirect(x.w, p.base+"/signin?notice=signed_out_all")
	}}
}
