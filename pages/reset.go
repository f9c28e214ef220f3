package pages

import (
	"cmp"
	"errors"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
)

func (site *Site) resetView() *view {
	return &view{
		page: "reset", path: "/reset", inputs: []string{"code", "newPassword"}, required: []string{"code", "newPassword"},
		prepare: func(x *exchange) error {
			if bySentCode(x) {
				site.prepareSentCode(x, "/forgot", "sent.text")
				return nil
			}
			x.notAsked, x.page.focus = []string{"code"}, "newPassword"
			_, err := site.prepareLink(x, func(raw usher.Secret) (usher.Link, error) {
				return site.service.ResetLink(x.r.Context(), raw, site.client(x))
			})
			return err
		},
		send: site.sendReset,
	}
}

func (site *Site) sendReset(x *exchange) error {
	in := usher.ResetPasswordParams{Token: usher.Secret(x.in["token"]), NewPassword: usher.Secret(x.in["newPassword"])}
	byCode := bySentCode(x)
	if byCode {
		in.LoginID, in.Code = x.in["loginId"], usher.Secret(x.in["code"])
	}
	result, err := site.visits.Start(x.w, x.r, site.visits.ClientSigningIn(x.w, x.r), func(c usher.Client) (usher.Result, error) {
		return site.service.ResetPassword(x.r.Context(), in, c)
	})
	switch {
	case byCode && err != nil:
		return codeError(err)
	case errors.Is(err, usher.ErrInvalidToken):
		return errDeadLink
	case err != nil:
		return err
	}
	site.spendLink(x, visit.NoteReset)
	if result.Next != usher.NextSignIn {
		return site.redirectAfter(x, result)
	}
	site.rememberLoginID(x, cmp.Or(in.LoginID, x.page.LoginID))
	notice := "reset"
	if x.page.OtherUser != "" {
		notice = "reset_beside"
	}
	return site.redirectWithNotice(x, "/signin", notice)
}
