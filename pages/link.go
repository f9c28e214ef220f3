package pages

import (
	"errors"
	"net/http"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
)

// maxLinkToken limits the length of the token of an emailed link in bytes.
const maxLinkToken = 256

// linkLifetime is how long a browser keeps the token of an emailed link: as long as any
// link is valid (usher.Config.VerifyLifetime), except the link of an invitation. So the
// page can be loaded again, for example by a phone that has closed the tab.
const linkLifetime = 24 * time.Hour

// deadNote replaces the token in the note of a link that does not work. The page can
// then be loaded again without a further attempt to use the link.
const deadNote = "-"

var (
	// errDeadLink means that an emailed link does not work, for any reason.
	errDeadLink = errors.New("pages: the link does not work")
	// errNoLink means that the page of a link was opened by a browser that has not
	// opened the link, or that keeps no cookies.
	errNoLink = errors.New("pages: this browser has no link")
)

// linkToken returns the token of an emailed link, from the form or from the link that
// the user opened. It moves a token from the URL into a note and redirects, so that the
// token does not stay in the history, in later logs or in screenshots. After the
// redirect it returns errAnswered.
//
// Another site may have made the link, so the link that the browser has opened before stays
// unless the new one works. look returns errDeadLink for one that does not.
func (site *Site) linkToken(x *exchange, look func(raw usher.Secret) (usher.Link, error)) (usher.Secret, error) {
	if x.in != nil {
		return usher.Secret(x.in["token"]), nil
	}
	if !x.r.URL.Query().Has("token") {
		switch note := site.cookies.Note(x.r, linkNote(x)); note {
		case "":
			return "", errNoLink
		case deadNote:
			return "", nil
		default:
			return note, nil
		}
	}
	raw := usher.Secret(queryValue(x.r, "token"))
	if raw == "" || len(raw) > maxLinkToken {
		return "", nil
	}
	if opened := site.openedLink(x, linkNote(x)); opened != "" && opened != raw {
		if _, err := look(raw); err != nil {
			return "", err
		}
	}
	if err := site.cookies.SetNote(x.w, x.r, linkNote(x), raw, linkLifetime); err != nil {
		return "", err
	}
	_ = redirect(x.w, site.base+"/"+x.page.Name)
	return "", errAnswered
}

// linkNote returns the name of the note that keeps the link of the page.
func linkNote(x *exchange) string { return "_" + x.page.Name }

// openedLink returns the token of the emailed link that this browser opened last, from the
// note with that name, or "" if there is none that may still work.
func (site *Site) openedLink(x *exchange, name string) usher.Secret {
	if note := site.cookies.Note(x.r, name); note != deadNote {
		return note
	}
	return ""
}

// spendLink records in the note with that name that the emailed link which this browser
// opened last is dead.
func (site *Site) spendLink(x *exchange, name string) {
	if site.openedLink(x, name) == "" {
		return
	}
	if err := site.cookies.SetNote(x.w, x.r, name, deadNote, linkLifetime); err != nil {
		site.cookies.ClearNote(x.w, x.r, name)
	}
}

// prepareLink reads the emailed link without using it up, so scanners of emails may
// open it. It names the account on the page, because only a reader of the mailbox has
// the link.
func (site *Site) prepareLink(x *exchange, look func(raw usher.Secret) (usher.Link, error)) (usher.Link, error) {
	lookUp := func(raw usher.Secret) (usher.Link, error) {
		link, err := look(raw)
		if errors.Is(err, usher.ErrInvalidToken) {
			err = errDeadLink
		}
		return link, err
	}
	raw, err := site.linkToken(x, lookUp)
	if err != nil {
		return usher.Link{}, err
	}
	if raw == "" || len(raw) > maxLinkToken {
		return usher.Link{}, errDeadLink
	}
	link, err := lookUp(raw)
	if err != nil {
		return usher.Link{}, err
	}
	x.page.Token, x.page.LoginID, x.page.OtherUser = raw.Reveal(), link.LoginID, site.otherUser(x, link.UserID)
	return link, nil
}

// showDeadLink shows the page for a link that is used, expired, replaced or forged. If it is
// the one that this browser has opened, it records that.
func (site *Site) showDeadLink(x *exchange) error {
	opened := x.in == nil && !x.r.URL.Query().Has("token")
	if opened || x.in != nil && x.in["token"] == site.openedLink(x, linkNote(x)).Reveal() {
		site.spendLink(x, linkNote(x))
	}
	if linkNote(x) == visit.NoteInvitation {
		return site.showLink(x, "invitation.dead.title", "invitation.dead.text")
	}
	return site.showLink(x, "link.title", "link.text")
}

// showLink shows the page for a link that cannot be used, with the texts of two keys.
func (site *Site) showLink(x *exchange, title, lead string) error {
	page := site.newPage(x.r, "link")
	page.Title, page.Lead = page.T(title), page.T(lead)
	page.SignedIn, page.ResendPath, page.Address = x.page.SignedIn, "/verify", x.page.Address
	page.EmailVerified = x.claims != nil && x.claims.EmailVerified
	page.ReturnTo = site.base + "/account"
	switch linkNote(x) {
	case visit.NoteReset:
		page.ResendPath = "/forgot"
	case visit.NoteInvitation:
		page.ResendPath, page.ReturnTo = "/signin", ""
	}
	return site.show(x.w, http.StatusBadRequest, page)
}
