package pages

import (
	"errors"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
)

func (site *Site) invitationView() *view {
	return &view{
		page: "invitation", path: "/invitation", inputs: []string{"newPassword"}, required: []string{"newPassword"},
		prepare: func(x *exchange) error {
			link, err := site.prepareLink(x, func(raw usher.Secret) (usher.Link, error) {
				return site.service.InvitationLink(x.r.Context(), raw, site.client(x))
			})
			if err != nil {
				return err
			}
			if x.page.HasAccount = link.HasAccount; link.HasAccount {
				x.page.Lead, x.notAsked = x.page.T("invitation.account"), []string{"newPassword"}
			}
			return nil
		},
		send: site.acceptInvitation,
	}
}

func (site *Site) acceptInvitation(x *exchange) error {
	in := usher.AcceptInvitationParams{Token: usher.Secret(x.in["token"]), NewPassword: usher.Secret(x.in["newPassword"])}
	result, err := site.visits.Start(x.w, x.r, site.visits.ClientSigningIn(x.w, x.r), func(c usher.Client) (usher.Result, error) {
		return site.service.AcceptInvitation(x.r.Context(), in, c)
	})
	if errors.Is(err, usher.ErrInvalidToken) {
		return errDeadLink
	}
	if err != nil {
		return err
	}
	site.spendLink(x, visit.NoteInvitation)
	if result.Next != usher.NextHasAccount {
		return site.redirectAfter(x, result)
	}
	if x.claims != nil && x.page.OtherUser == "" {
		return site.redirectWithNotice(x, "/account", "invited")
	}
	site.rememberLoginID(x, x.page.LoginID)
	if x.claims != nil {
		return site.redirectWithNotice(x, "/signin?prompt=select_account", "invited")
	}
	return site.redirectWithNotice(x, "/signin", "invited")
}
