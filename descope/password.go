package descope

import (
	"strings"
	"unicode/utf8"

	"github.com/usherkit/usher"
)

// signUp answers POST /v1/auth/password/signup.
func (h *Handler) signUp(c *call) (any, error) {
	user := c.in.object("user")
	request := usher.SignUpParams{
		LoginID: c.in.required("loginId"), Password: c.in.secret("password"), Email: user.text("email"),
		Profile: usher.Profile{
			Name: user.optional("name"), GivenName: user.optional("givenName"), MiddleName: user.optional("middleName"),
			FamilyName: user.optional("familyName"), Phone: user.optional("phone"),
		},
	}
	return h.startSession(c, func(client usher.Client) (usher.Result, error) {
		return h.service.SignUp(c.r.Context(), request, client)
	})
}

// signIn answers POST /v1/auth/password/signin.
func (h *Handler) signIn(c *call) (any, error) {
	request := usher.SignInParams{LoginID: c.in.required("loginId"), Password: c.in.secret("password")}
	return h.startSession(c, func(client usher.Client) (usher.Result, error) {
		return h.service.SignIn(c.r.Context(), request, client)
	})
}

// replacePassword answers POST /v1/auth/password/replace.
func (h *Handler) replacePassword(c *call) (any, error) {
	request := usher.ReplacePasswordParams{
		LoginID: c.in.required("loginId"), OldPassword: c.in.secret("oldPassword"), NewPassword: c.in.secret("newPassword"),
	}
	return h.startSession(c, func(client usher.Client) (usher.Result, error) {
		return h.service.ReplacePassword(c.r.Context(), request, client)
	})
}

// startSession answers a call that starts a session.
func (h *Handler) startSession(c *call, start func(usher.Client) (usher.Result, error)) (any, error) {
	refuseLoginOptions(c.in.object("loginOptions"))
	if err := c.in.err(); err != nil {
		return nil, err
	}
	result, err := h.visits.Start(c.w, c.r, h.visits.ClientSigningIn(c.w, c.r), start)
	if err != nil {
		return nil, err
	}
	if result.Next == usher.NextConfirmEmail {
		return nil, errConfirmEmail
	}
	return h.sessionAnswer(result.Authentication, true), nil
}

// refuseLoginOptions refuses the options that would make the session another one. To ignore
// them would start a session that the caller takes for a stronger one.
func refuseLoginOptions(o object) {
	for _, name := range []string{"stepup", "mfa", "revokeOtherSessions"} {
		if o.flag(name) {
			o.addError(name, "invalid", "is not served")
		}
	}
	if o.text("tenantId") != "" {
		o.addError("tenantId", "invalid", "is not served: select the tenant after the sign-in")
	}
	if len(o.object("customClaims").members) > 0 {
		o.addError("customClaims", "invalid", "is not served: usher.Config.Claims adds claims")
	}
}

// updatePassword answers POST /v1/auth/password/update. The answer has the tokens of the
// session in which the user continues, because the one of the request has ended.
func (h *Handler) updatePassword(c *call) (any, error) {
	request := usher.UpdatePasswordParams{LoginID: c.in.required("loginId"), NewPassword: c.in.secret("newPassword")}
	if err := c.in.err(); err != nil {
		return nil, err
	}
	claims, err := h.refreshOrReset(c)
	if err != nil {
		return nil, err
	}
	result, err := h.visits.Renew(c.w, c.r, h.visits.ClientSigningIn(c.w, c.r), func(client usher.Client) (usher.Result, error) {
		return h.service.UpdatePassword(c.r.Context(), claims, request, client)
	})
	if err != nil || result.Next != usher.NextSignedIn {
		return nil, err
	}
	return h.sessionAnswer(result.Authentication, false), nil
}

// sendReset answers POST /v1/auth/password/reset. The answer depends on the request alone,
// so it never reveals whether an account exists.
func (h *Handler) sendReset(c *call) (any, error) {
	request := usher.SendPasswordResetParams{
		LoginID: c.in.required("loginId"), RedirectURL: c.in.text("redirectUrl"), Parameter: "t",
	}
	if err := c.in.err(); err != nil {
		return nil, err
	}
	if err := h.service.SendPasswordReset(c.r.Context(), request, h.visits.Client(c.w, c.r)); err != nil {
		return nil, err
	}
	return struct {
		ResetMethod string `json:"resetMethod"`
		MaskedEmail string `json:"maskedEmail"`
	}{"magiclink", maskedEmail(request.LoginID)}, nil
}

// maskedEmail returns an email address without most of its characters, or "" for another
// login id: d***@e***.com for dana@example.com.
func maskedEmail(loginID string) string {
	local, domain, ok := strings.Cut(loginID, "@")
	if !ok {
		return ""
	}
	first := func(s string) string {
		_, size := utf8.DecodeRuneInString(s)
		return s[:size] + "***"
	}
	masked := first(local) + "@" + first(domain)
	if dot := strings.LastIndexByte(domain, '.'); dot > 0 {
		masked += domain[dot:]
	}
	return masked
}

// policy answers GET /v1/auth/password/policy.
func (h *Handler) policy(*call) (any, error) {
	p := h.service.PasswordPolicy()
	return struct {
		MinLength       int32 `json:"minLength"`
		Lowercase       bool  `json:"lowercase"`
		Uppercase       bool  `json:"uppercase"`
		Number          bool  `json:"number"`
		NonAlphanumeric bool  `json:"nonAlphanumeric"`
	}{int32(clamp(int64(p.MinLength))), p.Lowercase, p.Uppercase, p.Number, p.NonAlphanumeric}, nil
}
