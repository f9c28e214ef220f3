package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// DeleteAccount answers POST /account/delete.
func (api *API) DeleteAccount(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decodeOptional(w, r)
	if err != nil {
		return err
	}
	request := usher.DeleteAccountParams{CurrentPassword: in.secret("currentPassword")}
	client := api.withDevice(api.visits.Client(w, r), in)
	if err := in.err(); err != nil {
		return err
	}
	if err := api.service.DeleteAccount(r.Context(), claims, request, client); err != nil {
		return err
	}
	if middleware.Source(r.Context()) == middleware.SourceCookie {
		api.visits.ForgetUser(w, r)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// dataJSON is the document of GET /account/data.
type dataJSON struct {
	User         dataUserJSON     `json:"user"`
	Password     dataPasswordJSON `json:"password"`
	PendingEmail *pendingJSON     `json:"pendingEmail,omitempty"`
	Sessions     []sessionJSON    `json:"sessions"`
	Events       []eventJSON      `json:"events"`
	MoreEvents   bool             `json:"moreEvents"`
}

type dataUserJSON struct {
	ID            string                  `json:"id"`
	LoginIDs      []string                `json:"loginIds"`
	Email         string                  `json:"email"`
	EmailVerified bool                    `json:"emailVerified"`
	Name          string                  `json:"name"`
	GivenName     string                  `json:"givenName"`
	MiddleName    string                  `json:"middleName"`
	FamilyName    string                  `json:"familyName"`
	Phone         string                  `json:"phone"`
	Picture       string                  `json:"picture"`
	Language      string                  `json:"language"`
	Roles         []string                `json:"roles,omitempty"`
	Permissions   []string                `json:"permissions,omitempty"`
	Tenants       map[string]token.Tenant `json:"tenants,omitempty"`
	Attributes    map[string]any          `json:"attributes,omitempty"`
	CreatedAt     time.Time               `json:"createdAt"`
	UpdatedAt     time.Time               `json:"updatedAt"`
}

type dataPasswordJSON struct {
	Set       bool      `json:"set"`
	ChangedAt time.Time `json:"changedAt,omitzero"`
}

type pendingJSON struct {
	Address   string    `json:"address"`
	ExpiresAt time.Time `json:"expiresAt"`
}

type eventJSON struct {
	Name      usher.EventName `json:"name"`
	At        time.Time       `json:"at"`
	SessionID string          `json:"sessionId,omitempty"`
	Address   string          `json:"address,omitempty"`
	UserAgent string          `json:"userAgent,omitempty"`
	Actor     string          `json:"actor,omitempty"`
}

// AccountData answers GET /account/data with a file. A page of another site must not
// cause it, because it counts on the limit of the user. HEAD is no download.
func (api *API) AccountData(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	if err := api.visits.CheckOrigin(r); err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="account-data.json"`)
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", jsonType)
		return nil
	}
	d, err := api.service.AccountData(r.Context(), claims, api.visits.Client(w, r))
	if err != nil {
		return err
	}
	u := d.User
	body := dataJSON{
		User: dataUserJSON{
			u.ID, u.LoginIDs, u.Email, u.EmailVerified, u.Name, u.GivenName, u.MiddleName, u.FamilyName, u.Phone, u.Picture,
			u.Language, u.Roles, u.Permissions, u.Tenants, u.ExactAttributes(), u.CreatedAt, u.UpdatedAt,
		},
		Password: dataPasswordJSON{d.HasPassword, d.PasswordChangedAt},
		Sessions: make([]sessionJSON, len(d.Sessions)), Events: make([]eventJSON, len(d.Events)), MoreEvents: d.MoreEvents,
	}
	if d.PendingEmail.Address != "" {
		body.PendingEmail = &pendingJSON{d.PendingEmail.Address, d.PendingEmail.ExpiresAt.UTC()}
	}
	for i, s := range d.Sessions {
		body.Sessions[i] = newSessionJSON(s, claims.SessionID)
	}
	for i, e := range d.Events {
		body.Events[i] = eventJSON{e.Name, e.At, e.SessionID, e.Address, e.UserAgent, e.Actor}
	}
	b, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(append(b, '\n'))
	return nil
}
