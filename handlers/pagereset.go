package handlers

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher"
)

func (p *pages) forgotView() *view {
	inputs := []string{"loginId"}
	return &view{
		page: "forgot", path: "/forgot", inputs: inputs, required: inputs,
		open: func(x *exchange) error {
			if x.r.URL.Query().Has("sent") {
				return p.waiting(x, "/forgot", "sent.text")
			}
			if x.r.URL.Query().Has("link") {
				p.suggest(x)
			}
			return nil
		},
		send: func(x *exchange) error {
			in := usher.SendPasswordReset{LoginID: x.in["loginId"]}
			if err := p.h.auth.SendPasswordReset(x.r.Context(), in, p.client(x)); err != nil {
				return err
			}
			return p.waitFor(x, "/forgot")
		},
	}
}

// suggest fills in the login id for who comes from the page of a verification
// link. The sealed note has the link, so that no address is in any URL.
func (p *pages) suggest(x *exchange) {
	raw := p.cookies.Note(x.r, noteVerify)
	if raw == "" {
		return
	}
	if link, err := p.h.auth.VerificationLink(x.r.Context(), nil, raw, p.client(x)); err == nil {
		x.page.values["loginId"] = link.LoginID
	}
}

// The notes that keep the token of a mailed link after it has left the address
// bar. They are the names of the pages, too.
const (
	noteReset  = "reset"
	noteVerify = "verify"
)

// maxLinkToken is more than a token of a mailed link has bytes.
const maxLinkToken = 256

// errDeadLink is a mailed link that does not work, for whatever reason.
var errDeadLink = errors.New("handlers: the link does not work")

// linkToken returns the token of the mailed link that the page is about: of the
// form, or of the link that was followed. One in the address is put into a note
// and taken out of the address at once, so that it is in no history, no log of
// the next page and no screenshot.
func (p *pages) linkToken(x *exchange) (usher.Secret, error) {
	if x.in != nil {
		return usher.Secret(x.in["token"]), nil
	}
	query := x.r.URL.Query()
	if !query.Has("token") {
		return p.cookies.Note(x.r, x.page.Name), nil
	}
	raw := query.Get("token")
	if raw == "" || len(raw) > maxLinkToken {
		return "", nil
	}
	if err := p.cookies.SetNote(x.w, x.r, x.page.Name, usher.Secret(raw)); err != nil {
		return "", err
	}
	_ = redirect(x.w, p.base+"/"+x.page.Name)
	return "", errAnswered
}

// prepareLink looks at the mailed link without spending it, and shows whom it is
// about: whoever has it reads that mailbox. Opening it does nothing, so scanners
// of mail may do so.
func (p *pages) prepareLink(x *exchange, look func(raw usher.Secret) (usher.Link, error)) (usher.Link, error) {
	raw, err := p.linkToken(x)
	if err != nil {
		return usher.Link{}, err
	}
	if raw == "" || len(raw) > maxLinkToken {
		return usher.Link{}, errDeadLink
	}
	link, err := look(raw)
	if errors.Is(err, usher.ErrInvalidToken) {
		err = errDeadLink
	}
	if err != nil {
		return usher.Link{}, err
	}
	x.page.Token, x.page.LoginID = raw.Reveal(), link.LoginID
	return link, nil
}

// deadLink is the one page for links that are used, too old, replaced or never
// were. The browser forgets the link: each look at it counts as a try, so that
// loading the page again and again would use up those of the network.
func (p *pages) deadLink(x *exchange) error {
	if sent := x.in["token"]; x.in == nil || sent == p.cookies.Note(x.r, x.page.Name).Reveal() {
		p.cookies.DropNote(x.w, x.r, x.page.Name)
	}
	page := p.page(x.r, "link")
	page.Lead = page.T("link.text")
	page.SignedIn, page.Again, page.Address = x.page.SignedIn, "/verify", x.page.Address
	page.EmailVerified = x.claims != nil && x.claims.EmailVerified
	page.ReturnTo = p.base + "/account"
	if x.page.Name == noteReset {
		page.Again = "/forgot"
	}
	return p.show(x.w, http.StatusBadRequest, page)
}

func (p *pages) resetView() *view {
	return &view{
		page: "reset", path: "/reset", inputs: []string{"newPassword"}, required: []string{"newPassword"},
		prepare: func(x *exchange) error {
			_, err := p.prepareLink(x, func(raw usher.Secret) (usher.Link, error) {
				return p.h.auth.ResetLink(x.r.Context(), raw, p.client(x))
			})
			return err
		},
		send: p.sendReset,
	}
}

func (p *pages) sendReset(x *exchange) error {
	in := usher.ResetPassword{Token: usher.Secret(x.in["token"]), NewPassword: usher.Secret(x.in["newPassword"])}
	a, err := p.h.auth.ResetPassword(x.r.Context(), in, p.h.newcomer(x.w, x.r))
	if errors.Is(err, usher.ErrInvalidToken) {
		return errDeadLink
	}
	if err != nil {
		return err
	}
	p.cookies.DropNote(x.w, x.r, noteReset)
	if a != nil {
		return p.enter(x, a)
	}
	p.keepTyped(x, x.page.LoginID)
	// The session that this browser may have had has ended with all the others.
	if p.h.cookieSession(x.r) == "" {
		p.cookies.ClearTokens(x.w, x.r)
	}
	return p.goOn(x, "/signin", "reset")
}
