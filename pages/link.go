package pages

import (
	"errors"
	"net/http"

	"github.com/usherkit/usher"
)

// maxLinkToken limits the length of the token of an emailed link in bytes.
const maxLinkToken = 256

// errDeadLink means that an emailed link does not work, for any reason.
var errDeadLink = errors.New("pages: the link does not work")

// linkToken returns the token of an emailed link, from the form or from the link that
// the user opened. It moves a token from the URL into a note and redirects, so that the
// token does not stay in the history, in later logs or in screenshots. After the
// redirect it returns errAnswered.
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

// prepareLink reads the emailed link without using it up, so scanners of emails may
// open it. It names the account on the page, because only a reader of the mailbox has
// the link.
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

// showDeadLink shows the page for a link that is used, expired, replaced or forged, and
// removes the link from the browser.
func (site *Site) showDeadLink(x *exchange) error {
	if sent := x.in["token"]; x.in == nil || sent == site.cookies.Note(x.r, x.page.Name).Reveal() {
		site.cookies.DropNote(x.w, x.r, x.page.Name)
	}
	page := site.newPage(x.r, "link")
	page.Lead = page.T("link.text")
	page.SignedIn, page.Again, page.Address = x.page.SignedIn, "/verify", x.page.Address
	page.EmailVerified = x.claims != nil && x.claims.EmailVerified
	page.ReturnTo = site.base + "/account"
	if x.page.Name == noteReset {
		page.Again = "/forgot"
	}
	return site.show(x.w, http.StatusBadRequest, page)
}
