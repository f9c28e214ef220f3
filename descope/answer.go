package descope

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/usherkit/usher"
)

// write answers with a JSON body. It is never empty, because one of the SDKs reads every
// answer as JSON.
func write(w http.ResponseWriter, status int, body any) error {
	if body == nil {
		body = struct{}{}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
	return nil
}

// cookieJSON says how an SDK in a backend sets the cookies of the application. All numbers
// are whole and fit an int32: otherwise the SDK for Go fails after the call has succeeded.
type cookieJSON struct {
	CookieDomain     string `json:"cookieDomain"`
	CookiePath       string `json:"cookiePath"`
	CookieMaxAge     int32  `json:"cookieMaxAge"`
	CookieExpiration int32  `json:"cookieExpiration"`
}

// sessionJSON is what the SDKs call a JWTResponse.
type sessionJSON struct {
	SessionJWT string `json:"sessionJwt"`
	// RefreshJWT is empty if the refresh token is in a cookie.
	RefreshJWT string `json:"refreshJwt,omitempty"`
	cookieJSON
	SessionExpiration int32     `json:"sessionExpiration"`
	User              *userJSON `json:"user,omitempty"`
	FirstSeen         bool      `json:"firstSeen"`
}

// sessionAnswer returns the answer with the tokens of a session, and with its user if
// withUser is true.
func (h *Handler) sessionAnswer(a *usher.Authentication, withUser bool) sessionJSON {
	s := sessionJSON{
		SessionJWT: a.Tokens.Session.Reveal(), RefreshJWT: a.Tokens.Refresh.Reveal(),
		cookieJSON:        h.cookieAnswer(a.Tokens.RefreshExpiresAt),
		SessionExpiration: seconds(a.Tokens.SessionExpiresAt), FirstSeen: a.UserCreated,
	}
	if h.visits.Cookies != nil {
		s.RefreshJWT = ""
	}
	if withUser {
		u := newUserJSON(a.User, true)
		s.User = &u
	}
	return s
}

// cookieAnswer returns the attributes of cookies that expire at a time.
func (h *Handler) cookieAnswer(expires time.Time) cookieJSON {
	domain := h.cfg.CookieDomain
	if h.visits.Cookies != nil {
		domain = h.visits.Cookies.Domain()
	}
	return cookieJSON{
		CookieDomain: domain, CookiePath: "/",
		CookieMaxAge:     int32(clamp(int64(expires.Sub(h.cfg.Now()) / time.Second))),
		CookieExpiration: seconds(expires),
	}
}

// userJSON is what the SDKs call a UserResponse. No member is null.
type userJSON struct {
	UserID           string          `json:"userId"`
	LoginIDs         []string        `json:"loginIds"`
	Name             string          `json:"name"`
	GivenName        string          `json:"givenName"`
	MiddleName       string          `json:"middleName"`
	FamilyName       string          `json:"familyName"`
	Email            string          `json:"email"`
	Phone            string          `json:"phone"`
	Picture          string          `json:"picture"`
	VerifiedEmail    bool            `json:"verifiedEmail"`
	VerifiedPhone    bool            `json:"verifiedPhone"`
	RoleNames        []string        `json:"roleNames"`
	UserTenants      []tenantJSON    `json:"userTenants"`
	Status           string          `json:"status"`
	Test             bool            `json:"test"`
	CustomAttributes map[string]any  `json:"customAttributes"`
	CreatedTime      int32           `json:"createdTime"`
	ModifiedTime     int32           `json:"modifiedTime"`
	Password         bool            `json:"password"`
	WebAuthn         bool            `json:"webauthn"`
	TOTP             bool            `json:"TOTP"`
	SAML             bool            `json:"SAML"`
	SCIM             bool            `json:"SCIM"`
	OAuth            map[string]bool `json:"OAuth"`
	SSOAppIDs        []string        `json:"ssoAppIds"`
}

// tenantJSON holds the rights of a user inside one tenant.
type tenantJSON struct {
	TenantID    string   `json:"tenantId"`
	TenantName  string   `json:"tenantName"`
	RoleNames   []string `json:"roleNames"`
	Permissions []string `json:"permissions"`
}

func newUserJSON(u usher.User, hasPassword bool) userJSON {
	j := userJSON{
		UserID: u.ID, LoginIDs: list(u.LoginIDs), Name: u.Name, GivenName: u.GivenName, MiddleName: u.MiddleName,
		FamilyName: u.FamilyName, Email: u.Email, Phone: u.Phone, Picture: u.Picture, VerifiedEmail: u.EmailVerified,
		RoleNames: list(u.Roles), UserTenants: []tenantJSON{}, Status: string(u.Status), CustomAttributes: u.ExactAttributes(),
		CreatedTime: seconds(u.CreatedAt), ModifiedTime: seconds(u.UpdatedAt), Password: hasPassword,
		OAuth: map[string]bool{}, SSOAppIDs: []string{},
	}
	if j.CustomAttributes == nil {
		j.CustomAttributes = map[string]any{}
	}
	for _, id := range sortedKeys(u.Tenants) {
		t := u.Tenants[id]
		j.UserTenants = append(j.UserTenants, tenantJSON{id, id, list(t.Roles), list(t.Permissions)})
	}
	return j
}

// list returns an array that is never null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
