package pages

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher"
)

// maxLinkToken limits the length of the token of an emailed link in bytes.
const maxLinkToken = 256

// errDeadLink means that an emailed link does not work, for whatever reason.
var errDeadLink = errors.New("pages: the link does not work")

// linkToken returns the token of the emailed link that the page is about: that of
// the form, or that of the link that was opened. A token in the address is moved to
// a note at once, so that it is in no history, no log of the next page and no
// screenshot.
func (site *Site) linkToken(x *exchange) (usher.Secret, error) {
	if x.in != nil {
		return usher.Secret(x.in["token"]), nil
	}
	query := x.r.URL.Query()
	if !query.Has("token") {
		return site.cookies.Note(x.r, x.page.Name), nil
	}
	raw := query.Get("token")
	if raw == "" || len(raw) > maxLinkToken {
		return "", nil
	}
	if err := site.cookies.SetNote(x.w, x.r, x.page.Name, usher.Secret(raw)); err != nil {
		return "", err
	}
	_ = redirect(x.w, site.base+"/"+x.page.Name)
	return "", errAnswered
}

// prepareLink looks at the emailed link without spending it, and names the account
// on the page, because only a reader of its mailbox has the link. Opening a link
// changes nothing, so scanners of emails may open it.
func (site *Site) prepareLink(x *exchange, look func(raw usher.Secret) (usher.Link, error)) (usher.Link, error) {
	raw, err := site.linkToken(x)
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

// deadLink shows the one page for links that are used, expired, replaced or forged.
// The browser forgets the link.
func (site *Site) deadLink(x *exchange) error {
	if sent := x.in["token"]; x.in == nil || sent == site.cookies.Note(x.r, x.page.Name).Reveal() {
		site.cookies.DropNote(x.w, x.r, x.page.Name)
	}
	page := site.page(x.r, "link")
	page.Lead = page.T("link.text")
	page.SignedIn, page.Again, page.Address = x.page.SignedIn, "/verify", x.page.Address
	page.EmailVerified = x.claims != nil && x.claims.EmailVerified
	page.ReturnTo = site.base + "/account"
	if x.page.Name == noteReset {
		page.Again = "/forgot"
	}
	return site.show(x.w, http.StatusBadRequest, page)
}
