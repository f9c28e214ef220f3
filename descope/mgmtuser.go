package descope

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
)

// newUser reads the members of a user to create.
func newUser(o object) usher.ImportUserParams {
	o.notServed("seed", "ssoAppIDs", "test", "sendSMS")
	in := usher.ImportUserParams{
		LoginIDs: append([]string{o.required("loginId")}, o.texts("additionalLoginIds")...),
		Email:    o.text("email"), EmailVerified: o.flag("verifiedEmail"), Profile: profile(o, "displayName", o.optional),
		Roles: o.filled("roleNames"), Tenants: o.tenants(nil), Attributes: o.attributes(),
	}
	if o.text("status") != "invited" {
		in.Disabled = o.status() == usher.StatusDisabled
	}
	return in
}

// invitation reads the members that ask for an email. A user gets one only if the caller
// asks for it.
func invitation(o object, in *usher.ImportUserParams) {
	sendMail := true
	o.read("sendMail", &sendMail, "must be true or false")
	if in.Invite = o.flag("invite") && sendMail; in.Invite {
		in.RedirectURL, in.Parameter = o.text("inviteUrl"), "t"
	}
	in.Language = o.text("locale")
	o.notServed("sendSMS")
}

// profile reads the profile. Descope has two names for the name.
func profile(o object, name string, read func(string) *string) usher.Profile {
	return usher.Profile{
		Name: read(name), GivenName: read("givenName"), MiddleName: read("middleName"), FamilyName: read("familyName"),
		Phone: read("phone"), Picture: read("picture"),
	}
}

// attributes returns the member customAttributes.
func (o object) attributes() (all map[string]any) {
	o.read("customAttributes", &all, "must be an object")
	return all
}

// createUser answers POST /v1/mgmt/user/create.
func (h *Handler) createUser(c *call) (any, error) {
	in := newUser(c.in)
	invitation(c.in, &in)
	if err := c.in.err(); err != nil {
		return nil, err
	}
	u, err := c.operator.ImportUser(c.r.Context(), in)
	if err != nil {
		return nil, err
	}
	return oneUser{newUserJSON(u, false)}, nil
}

// updateUser answers POST /v1/mgmt/user/update. A member that is absent clears the value, as
// the SDKs say. Two are exceptions: an address defaults to the login id, as when a user is
// created, and without additionalLoginIds the login ids stay.
func (h *Handler) updateUser(c *call) (any, error) {
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	c.in.notServed("ssoAppIDs", "test")
	given := func(name string) *string { s := c.in.text(name); return &s }
	roles, tenants, attributes := c.in.filled("roleNames"), c.in.tenants(u.Tenants), c.in.attributes()
	if attributes == nil {
		attributes = map[string]any{}
	}
	in := usher.UpdateUserParams{
		Profile: profile(c.in, "displayName", given), Roles: &roles, Tenants: &tenants, Attributes: &attributes,
	}
	address := c.in.text("email")
	if address == "" && strings.Contains(u.LoginID(), "@") {
		address = u.LoginID()
	}
	in.Email = newEmail(c, u, address)
	if u, err = change(c, u, in); err != nil {
		return nil, err
	}
	return h.userAnswer(c, u)
}

// newEmail returns the change to an address, or nil if nothing changes. Without verifiedEmail
// the same address stays as verified as it is, and another one is not.
func newEmail(c *call, u usher.User, address string) *usher.EmailAddress {
	e := usher.EmailAddress{Address: address, Verified: u.EmailVerified && address == u.Email}
	c.in.read("verifiedEmail", &e.Verified, "must be true or false")
	if e.Address == u.Email && e.Verified == u.EmailVerified {
		return nil
	}
	return &e
}

// change changes a user, and the login ids if the body has them. These are two transactions,
// so everything that can be refused is checked before the first of them. The same call again,
// after an outage, has the same effect.
func change(c *call, u usher.User, in usher.UpdateUserParams) (usher.User, error) {
	more := c.in.texts("additionalLoginIds")
	if err := c.in.err(); err != nil {
		return u, err
	}
	ids := append([]string{u.LoginID()}, more...)
	setIDs := more != nil && !slices.Equal(ids, u.LoginIDs)
	if setIDs {
		for _, id := range more {
			switch owner, err := c.operator.UserByLoginID(c.r.Context(), id); {
			case err == nil && owner.ID != u.ID:
				return u, usher.ErrLoginIDTaken
			case err != nil && !errors.Is(err, usher.ErrNotFound):
				return u, err
			}
		}
	}
	changed, err := c.operator.UpdateUser(c.r.Context(), u.ID, in)
	if err != nil || !setIDs {
		return changed, err
	}
	return c.operator.SetLoginIDs(c.r.Context(), u.ID, ids)
}

// patchUser answers PATCH /v1/mgmt/user/patch: only the members of the body change, and of
// customAttributes only its own.
func (h *Handler) patchUser(c *call) (any, error) {
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	c.in.notServed("ssoAppIds", "scim", "additionalIdentifiers")
	given := func(name string) *string {
		if c.in.get(name) == nil {
			return nil
		}
		s := c.in.text(name)
		return &s
	}
	name := "name"
	if c.in.get(name) == nil {
		name = "displayName" // of the SDK for Node
	}
	in := usher.UpdateUserParams{Profile: profile(c.in, name, given)}
	if c.in.get("roleNames") != nil {
		roles := c.in.filled("roleNames")
		in.Roles = &roles
	}
	if c.in.get("userTenants") != nil {
		tenants := c.in.tenants(u.Tenants)
		in.Tenants = &tenants
	}
	address := u.Email
	if c.in.get("email") != nil {
		address = c.in.text("email")
	}
	in.Email = newEmail(c, u, address)
	in.AttributesPatch = c.in.attributes()
	status := c.in.status()
	if u, err = change(c, u, in); err != nil {
		return nil, err
	}
	if u, err = setStatus(c, u, status); err != nil {
		return nil, err
	}
	return h.userAnswer(c, u)
}

// updateEmail answers POST /v1/mgmt/user/update/email. The login ids stay.
func (h *Handler) updateEmail(c *call) (any, error) {
	email := usher.EmailAddress{Address: c.in.text("email"), Verified: c.in.flag("verified")}
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	u, err = c.operator.UpdateUser(c.r.Context(), u.ID, usher.UpdateUserParams{Email: &email})
	if err != nil {
		return nil, err
	}
	return h.userAnswer(c, u)
}

// signInToken answers POST /v1/mgmt/user/signin/embeddedlink. verifyLink takes the token.
func (h *Handler) signInToken(c *call) (any, error) {
	if len(c.in.object("customClaims").members) > 0 {
		c.in.addError("customClaims", "invalid", "is not served: usher.Config.Claims adds claims")
	}
	timeout := time.Duration(c.in.number("timeout")) * time.Second
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	raw, err := c.operator.CreateSignInToken(c.r.Context(), u.ID, timeout)
	var bad *usher.FieldError
	if errors.As(err, &bad) && bad.Field == "lifetime" {
		return nil, &usher.FieldError{Field: "timeout", Code: bad.Code, Detail: bad.Detail}
	}
	if err != nil {
		return nil, err
	}
	return struct {
		Token string `json:"token"`
	}{raw.Reveal()}, nil
}
