package handlers

import (
	"errors"

	"github.com/usherkit/usher"
)

func (p *pages) verifyView() *view {
	return &view{
		page: "verify", path: "/verify", inputs: []string{"password"},
		prepare: p.prepareVerify,
		send:    p.sendVerify,
	}
}

func (p *pages) prepareVerify(x *exchange) error {
	if x.in == nil && x.r.URL.Query().Has("done") {
		return p.verified(x)
	}
	link, err := p.prepareLink(x, func(raw usher.Secret) (usher.Link, error) {
		return p.h.auth.VerificationLink(x.r.Context(), x.claims, raw, p.client(x))
	})
	if err != nil {
		return err
	}
	x.page.NewEmail, x.page.PasswordRequired = link.NewEmail, link.PasswordRequired
	kind, lead := "verify", ".lead"
	if link.NewEmail {
		kind = "verify.change"
	}
	if link.PasswordRequired {
		lead = ".lead.password"
	}
	x.page.Title, x.page.Lead = x.page.T(kind+".title"), x.page.T(kind+lead, link.Email)
	return nil
}

// verified says that the address is confirmed, where this browser has just done so.
// Everybody else gets to the link that was opened before, or to the account, which
// shows how things are.
func (p *pages) verified(x *exchange) error {
	switch {
	case p.doneTo(x) != "":
		signedIn := x.page.SignedIn
		x.page = p.page(x.r, "verified")
		x.page.SignedIn = signedIn
		x.page.Title, x.page.Lead = x.page.T("verify.done.title"), x.page.T("verify.done.text")
		return nil
	case p.cookies.Note(x.r, noteVerify) != "":
		return p.elsewhere(x, "/verify")
	}
	return p.elsewhere(x, "/account")
}

func (p *pages) sendVerify(x *exchange) error {
	in := usher.VerifyEmail{Token: usher.Secret(x.in["token"]), Password: usher.Secret(x.in["password"])}
	u, err := p.h.auth.VerifyEmail(x.r.Context(), x.claims, in, p.client(x))
	switch {
	case errors.Is(err, usher.ErrInvalidToken):
		return errDeadLink
	case errors.Is(err, usher.ErrPasswordRequired):
		x.page.PasswordRequired = true // also if the session has only just ended
	}
	if err != nil {
		return err
	}
	p.cookies.DropNote(x.w, x.r, noteVerify)
	p.renew(x, u)
	return p.after(x, "/verify?done=1", "", u.ID)
}

// renew gives a browser that is signed in as that very user new tokens, which
// say that the address is verified. No session begins, ends or changes hands,
// and where it fails the tokens say so a few minutes later.
func (p *pages) renew(x *exchange, u usher.User) {
	pair, present := p.cookies.Tokens(x.r)
	if !present || pair.Refresh == "" {
		return
	}
	own, err := p.h.auth.ValidateRefresh(x.r.Context(), pair.Refresh)
	if err != nil || own.Subject != u.ID {
		return
	}
	a, err := p.h.auth.RefreshSession(x.r.Context(), pair.Refresh, p.client(x))
	if err == nil {
		err = p.cookies.SetTokens(x.w, x.r, a.Tokens)
	}
	if err != nil {
		p.h.cfg.Logger.InfoContext(x.r.Context(), "handlers: the session was not renewed after a verification", "error", err)
	}
}

func (p *pages) resendView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		u, _, err := p.h.auth.Me(x.r.Context(), x.claims)
		if err != nil {
			return err
		}
		if u.EmailVerified {
			return p.goOn(x, "/account", "") // there is nothing to send, and the page says so
		}
		if err := p.h.auth.SendEmailVerification(x.r.Context(), x.claims, p.client(x)); err != nil {
			return err
		}
		return p.goOn(x, "/account", "verify_sent")
	}}
}

func (p *pages) cancelEmailView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		err := p.h.auth.CancelEmailChange(x.r.Context(), x.claims, p.client(x))
		if errors.Is(err, usher.ErrNotFound) {
			return p.goOn(x, "/account", "") // it may have been confirmed meanwhile, and the page shows the address
		}
		if err != nil {
			return err
		}
		return p.goOn(x, "/account", "email_cancelled")
	}}
}

func (p *pages) emailView() *view {
	inputs := []string{"newEmail", "currentPassword"}
	return &view{
		page: "email", path: "/account/email", inputs: inputs, required: inputs, prepare: p.prepareOwn,
		send: func(x *exchange) error {
			in := usher.ChangeEmail{NewEmail: x.in["newEmail"], CurrentPassword: usher.Secret(x.in["currentPassword"])}
			if err := p.h.auth.ChangeEmail(x.r.Context(), x.claims, in, p.client(x)); err != nil {
				return err
			}
			return p.goOn(x, "/account", "email_sent")
		},
	}
}
