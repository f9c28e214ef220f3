package pages

import (
	"errors"

	"github.com/usherkit/usher"
)

func (site *Site) resendView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		u, _, err := site.service.Me(x.r.Context(), x.claims)
		if err != nil {
			return err
		}
		if u.EmailVerified {
			return site.redirectWithNotice(x, "/account", "") // the page shows that the address is confirmed
		}
		if err := site.service.SendEmailVerification(x.r.Context(), x.claims, site.client(x)); err != nil {
			return err
		}
		return site.redirectWithNotice(x, "/account", "verify_sent")
	}}
}

func (site *Site) cancelEmailView() *view {
	return &view{page: "account", path: "/account", send: func(x *exchange) error {
		err := site.service.CancelEmailChange(x.r.Context(), x.claims, site.client(x))
		if errors.Is(err, usher.ErrNotFound) {
			return site.redirectWithNotice(x, "/account", "") // it may have been confirmed; the page shows the address
		}
		if err != nil {
			return err
		}
		return site.redirectWithNotice(x, "/account", "email_cancelled")
	}}
}

func (site *Site) emailView() *view {
	inputs := []string{"newEmail", "currentPassword"}
	return &view{
		page: "email", path: "/account/email", inputs: inputs, required: inputs, prepare: func(x *exchange) error {
			err := site.loadAccount(x)
			if err == nil && x.page.NoPassword && x.page.User.EmailVerified {
				_ = site.redirectWithNotice(x, "/account", "email_needs_password") // which offers to set one by email
				return errAnswered
			}
			return err
		},
		send: func(x *exchange) error {
			in := usher.ChangeEmailParams{NewEmail: x.in["newEmail"], CurrentPassword: usher.Secret(x.in["currentPassword"])}
			err := site.service.ChangeEmail(x.r.Context(), x.claims, in, site.client(x))
			if errors.Is(err, usher.ErrRecentSignInRequired) && x.page.NoPassword {
				return redirect(x.w, site.pathWithReturn("/session/confirm", site.base+"/account/email"))
			}
			if err != nil {
				return err
			}
			return site.redirectWithNotice(x, "/account", "email_sent")
		},
	}
}
