package pages

import (
	"errors"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
)

func (site *Site) verifyView() *view {
	return &view{
		page: "verify", path: "/verify", inputs: []string{"code", "password"}, required: []string{"code"},
		prepare: site.prepareVerify,
		send:    site.sendVerify,
	}
}

func (site *Site) prepareVerify(x *exchange) error {
	switch {
	case bySentCode(x) && x.in["loginId"] == "":
		return site.prepareAccountCode(x)
	case bySentCode(x):
		site.prepareSentCode(x, "/signup", "signup.sent.text")
		return nil
	}
	x.notAsked, x.page.focus = []string{"code"}, "password"
	if x.in == nil && x.r.URL.Query().Has("done") {
		return site.prepareVerified(x)
	}
	link, err := site.prepareLink(x, func(raw usher.Secret) (usher.Link, error) {
		return site.service.VerificationLink(x.r.Context(), x.claims, raw, site.client(x))
	})
	if err != nil {
		return err
	}
	if link.SignInRequired { // the link is in a note, so that the page shows it afterwards
		_ = redirect(x.w, site.pathWithReturn("/signin", site.base+"/verify"))
		return errAnswered
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

// prepareVerified prepares the page which says that the address is confirmed, if this
// browser has just confirmed it. Otherwise it redirects to the link that was opened
// before, or to the account page, which shows whether the address is confirmed.
func (site *Site) prepareVerified(x *exchange) error {
	switch {
	case site.confirmed(x) != "":
		page := site.newPage(x.r, "verified")
		page.SignedIn, page.OtherUser = x.page.SignedIn, site.otherUser(x, site.confirmed(x))
		x.page = page
		x.page.Title, x.page.Lead = x.page.T("verify.done.title"), x.page.T("verify.done.text")
		return nil
	case site.openedLink(x, visit.NoteVerify) != "":
		return site.redirectInstead(x, "/verify")
	}
	return site.redirectInstead(x, "/account")
}

func (site *Site) sendVerify(x *exchange) error {
	in := usher.VerifyEmailParams{Token: usher.Secret(x.in["token"]), Password: usher.Secret(x.in["password"])}
	byCode := bySentCode(x)
	if byCode {
		in.LoginID, in.Code = x.in["loginId"], usher.Secret(x.in["code"])
	}
	u, err := site.service.VerifyEmail(x.r.Context(), x.claims, in, site.client(x))
	switch {
	case byCode && err != nil:
		return codeError(err)
	case errors.Is(err, usher.ErrInvalidToken):
		return errDeadLink
	case errors.Is(err, usher.ErrPasswordRequired):
		x.page.PasswordRequired = true // the session may have ended since the page was opened
	}
	if err != nil {
		return err
	}
	site.spendLink(x, visit.NoteVerify)
	site.visits.RefreshCookies(x.w, x.r, u.ID)
	site.keepNote(x, noteConfirmation+"verify", u.ID)
	return redirect(x.w, site.base+"/verify?done=1")
}
