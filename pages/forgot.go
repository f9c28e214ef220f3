package pages

import (
	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
)

func (site *Site) forgotView() *view {
	inputs := []string{"loginId"}
	return &view{
		page: "forgot", path: "/forgot", inputs: inputs, required: inputs,
		open: func(x *exchange) error {
			if x.r.URL.Query().Has("sent") {
				return site.prepareSent(x, "/forgot", "sent.text")
			}
			if x.r.URL.Query().Has("link") {
				site.fillInFromLink(x)
			}
			return nil
		},
		send: func(x *exchange) error {
			in := usher.SendPasswordResetParams{LoginID: x.in["loginId"]}
			if err := site.service.SendPasswordReset(x.r.Context(), in, site.client(x)); err != nil {
				return err
			}
			return site.redirectToSent(x, "/forgot")
		},
	}
}

// fillInFromLink fills in the login id of the account of a verification link that the
// user has opened before. The link is in a sealed note, so the login id is in no URL.
func (site *Site) fillInFromLink(x *exchange) {
	raw := site.openedLink(x, visit.NoteVerify)
	if raw == "" {
		return
	}
	if link, err := site.service.VerificationLink(x.r.Context(), nil, raw, site.client(x)); err == nil {
		x.page.values["loginId"] = link.LoginID
	}
}
