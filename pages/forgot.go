package pages

import "github.com/usherkit/usher"

func (site *Site) forgotView() *view {
	inputs := []string{"loginId"}
	return &view{
		page: "forgot", path: "/forgot", inputs: inputs, required: inputs,
		open: func(x *exchange) error {
			if x.r.URL.Query().Has("sent") {
				return site.waiting(x, "/forgot", "sent.text")
			}
			if x.r.URL.Query().Has("link") {
				site.suggest(x)
			}
			return nil
		},
		send: func(x *exchange) error {
			in := usher.SendPasswordResetParams{LoginID: x.in["loginId"]}
			if err := site.service.SendPasswordReset(x.r.Context(), in, site.client(x)); err != nil {
				return err
			}
			return site.waitFor(x, "/forgot")
		},
	}
}

// suggest fills in the login id for a user who comes from the page of a
// verification link. The sealed note has the link, so no address is in a URL.
func (site *Site) suggest(x *exchange) {
	raw := site.cookies.Note(x.r, noteVerify)
	if raw == "" {
		return
	}
	if link, err := site.service.VerificationLink(x.r.Context(), nil, raw, site.client(x)); err == nil {
		x.page.values["loginId"] = link.LoginID
	}
}
