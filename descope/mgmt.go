package descope

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/token"
)

// The limits of calls about many users. A batch that takes longer than batchTimeout is cut
// short, and its answer says which users were not reached.
const (
	maxBatch     = 500
	maxBatchBody = 4 << 20
	batchTimeout = 20 * time.Second
)

// managementRows are the calls that need the management key. docs/from-descope.md lists them.
func (h *Handler) managementRows() []row {
	get := func(path string, do func(*call) (any, error)) row {
		return row{method: http.MethodGet, path: path, access: accessManagement, do: do}
	}
	post := func(path string, do func(*call) (any, error)) row {
		return row{method: http.MethodPost, path: path, access: accessManagement, do: do}
	}
	many := func(path string, do func(*call) (any, error)) row {
		r := post(path, do)
		r.size, r.timeout = maxBatchBody, batchTimeout
		return r
	}
	history := many("/v1/mgmt/user/history", h.loginsOfUsers)
	history.list = true
	return []row{
		get("/v1/mgmt/license", h.license),
		post("/v1/mgmt/user/create", h.createUser),
		many("/v1/mgmt/user/create/batch", h.createUsers),
		many("/v1/mgmt/user/import", h.importUsers),
		post("/v1/mgmt/user/update", h.updateUser),
		{method: http.MethodPatch, path: "/v1/mgmt/user/patch", access: accessManagement, do: h.patchUser},
		post("/v1/mgmt/user/update/email", h.updateEmail),
		post("/v1/mgmt/user/update/status", h.updateStatus),
		get("/v1/mgmt/user", h.loadUser),
		many("/v1/mgmt/users/load", h.loadUsers),
		many("/v2/mgmt/user/search", h.searchUsers),
		post("/v1/mgmt/user/delete", h.deleteUser),
		many("/v1/mgmt/user/delete/batch", h.deleteUsers),
		post("/v1/mgmt/user/logout", h.signOutUser),
		history,
		post("/v1/mgmt/user/signin/embeddedlink", h.signInToken),
		post("/v1/mgmt/user/password/set/active", h.setPassword(func(*call) bool { return false })),
		post("/v1/mgmt/user/password/set/temporary", h.setPassword(func(*call) bool { return true })),
		post("/v1/mgmt/user/password/set", h.setPassword(func(c *call) bool { return !c.in.flag("setActive") })),
		post("/v1/mgmt/user/password/expire", h.expirePassword),
		get("/v1/mgmt/password/settings", h.passwordSettings),
		post("/v1/mgmt/password/settings", h.setPasswordSettings),
	}
}

// license answers GET /v1/mgmt/license, which the SDKs call once when they start. They
// send the value back with each management call, and it has no effect here.
func (h *Handler) license(*call) (any, error) {
	return struct {
		RateLimitTier string `json:"rateLimitTier"`
	}{"tier1"}, nil
}

// oneUser is the answer about one user.
type oneUser struct {
	User userJSON `json:"user"`
}

// manyUsers is the answer about some users. Total counts those on all pages.
type manyUsers struct {
	Users []userJSON `json:"users"`
	Total int32      `json:"total"`
}

// userAnswer returns the answer about a user.
func (h *Handler) userAnswer(c *call, u usher.User) (any, error) {
	j, err := h.managedUser(c, u)
	return oneUser{j}, err
}

func (h *Handler) managedUser(c *call, u usher.User) (userJSON, error) {
	has, err := h.service.HasPassword(c.r.Context(), u.ID)
	return newUserJSON(u, has), err
}

// target returns the user whom the members loginId and userId name. The member loginId may
// hold a user id, which is looked up first. Users choose their login ids, so a login id can
// equal the id of another user. A change for that other user must not change the user with
// the login id. For the same reason target returns usher.ErrNotFound for the id of a deleted
// user, as long as the audit table has the deletion.
func target(c *call, loginID, userID string) (usher.User, error) {
	if loginID == "" && userID == "" {
		c.in.addError("loginId", "required", "must not be empty")
	}
	if hasZero(loginID + userID) {
		c.in.addError("loginId", "invalid", "must not have the character U+0000")
	}
	if err := c.in.err(); err != nil {
		return usher.User{}, err
	}
	for _, id := range []string{userID, loginID} {
		if id == "" {
			continue
		}
		u, err := c.operator.User(c.r.Context(), id)
		if err == nil || !errors.Is(err, usher.ErrNotFound) || id == userID {
			return u, err
		}
	}
	u, err := c.operator.UserByLoginID(c.r.Context(), loginID)
	if err != nil || strings.Contains(loginID, "@") { // no user id has an @
		return u, err
	}
	deleted, err := c.operator.Events(c.r.Context(), usher.EventQuery{UserID: loginID, Name: usher.EventUserDeleted, Limit: 1})
	if err == nil && len(deleted.Events) > 0 {
		err = usher.ErrNotFound
	}
	return u, err
}

// named returns the user whom the body names.
func named(c *call) (usher.User, error) {
	return target(c, c.in.text("loginId"), c.in.text("userId"))
}

// loadUser answers GET /v1/mgmt/user.
func (h *Handler) loadUser(c *call) (any, error) {
	q := c.r.URL.Query()
	u, err := target(c, q.Get("loginId"), q.Get("userId"))
	if err != nil {
		return nil, err
	}
	return h.userAnswer(c, u)
}

// loadUsers answers POST /v1/mgmt/users/load. A user who does not exist is left out.
func (h *Handler) loadUsers(c *call) (any, error) {
	ids, all := c.in.texts("userIds"), c.in.flag("includeInvalidUsers")
	if err := c.in.err(); err != nil {
		return nil, err
	}
	answer := manyUsers{Users: []userJSON{}}
	for _, id := range ids {
		u, err := c.operator.User(c.r.Context(), id)
		if errors.Is(err, usher.ErrNotFound) || err == nil && u.Status != usher.StatusEnabled && !all {
			continue
		}
		if err != nil {
			return nil, err
		}
		j, err := h.managedUser(c, u)
		if err != nil {
			return nil, err
		}
		answer.Users = append(answer.Users, j)
	}
	answer.Total = int32(len(answer.Users))
	return answer, nil
}

// updateStatus answers POST /v1/mgmt/user/update/status.
func (h *Handler) updateStatus(c *call) (any, error) {
	c.in.required("status")
	status := c.in.status()
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	if u, err = setStatus(c, u, status); err != nil {
		return nil, err
	}
	return h.userAnswer(c, u)
}

// status returns the member status, or "" if it is absent.
func (o object) status() usher.Status {
	switch s := usher.Status(o.text("status")); s {
	case "", usher.StatusEnabled, usher.StatusDisabled:
		return s
	}
	o.addError("status", "invalid", "must be enabled or disabled")
	return ""
}

// setStatus sets the status of a user, unless it is "", and returns the user.
func setStatus(c *call, u usher.User, status usher.Status) (usher.User, error) {
	var err error
	switch status {
	case usher.StatusEnabled:
		err = c.operator.Enable(c.r.Context(), u.ID)
	case usher.StatusDisabled:
		err = c.operator.Disable(c.r.Context(), u.ID)
	default:
		return u, nil
	}
	if err != nil {
		return u, err
	}
	return c.operator.User(c.r.Context(), u.ID)
}

// deleteUser answers POST /v1/mgmt/user/delete.
func (h *Handler) deleteUser(c *call) (any, error) {
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	return nil, c.operator.Delete(c.r.Context(), u.ID)
}

// deleteUsers answers POST /v1/mgmt/user/delete/batch. A user who does not exist is left
// out, so that a repeated call goes on where an outage has stopped the first one.
func (h *Handler) deleteUsers(c *call) (any, error) {
	ids := c.in.texts("userIds")
	if err := c.in.err(); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := c.operator.Delete(c.r.Context(), id); err != nil && !errors.Is(err, usher.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

// signOutUser answers POST /v1/mgmt/user/logout.
func (h *Handler) signOutUser(c *call) (any, error) {
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	return nil, c.operator.SignOutUser(c.r.Context(), u.ID)
}

// setPassword answers the calls below /v1/mgmt/user/password/set. A temporary password has
// to be replaced at the first sign-in.
func (h *Handler) setPassword(temporary func(*call) bool) func(*call) (any, error) {
	return func(c *call) (any, error) {
		pw, temporary := c.in.secret("password"), temporary(c)
		u, err := named(c)
		if err != nil {
			return nil, err
		}
		return nil, c.operator.SetPassword(c.r.Context(), u.ID, pw, temporary)
	}
}

// expirePassword answers POST /v1/mgmt/user/password/expire.
func (h *Handler) expirePassword(c *call) (any, error) {
	u, err := named(c)
	if err != nil {
		return nil, err
	}
	return nil, c.operator.ExpirePassword(c.r.Context(), u.ID)
}

// loginsOfUsers answers POST /v1/mgmt/user/history.
func (h *Handler) loginsOfUsers(c *call) (any, error) {
	ids := c.in.texts("list")
	if err := c.in.err(); err != nil {
		return nil, err
	}
	answer := []loginJSON{}
	for _, id := range ids {
		signIns, err := c.operator.SignInHistory(c.r.Context(), []string{id}, maxLogins)
		if err != nil {
			return nil, err
		}
		answer = append(answer, logins(signIns)...)
	}
	return answer, nil
}

// loginJSON is one sign-in of a user.
type loginJSON struct {
	UserID         string `json:"userId"`
	LoginTime      int32  `json:"loginTime"`
	City           string `json:"city"`
	Country        string `json:"country"`
	IP             string `json:"ip"`
	SelectedTenant string `json:"selectedTenant"`
}

// maxLogins is the number of sign-ins of a user in an answer.
const maxLogins = 20

// logins returns the sign-ins of a user. An address is never looked up in another service,
// so city and country are empty.
func logins(signIns []usher.SignInRecord) []loginJSON {
	all := []loginJSON{}
	for _, s := range signIns {
		all = append(all, loginJSON{UserID: s.UserID, LoginTime: seconds(s.At), IP: s.Address, SelectedTenant: s.Tenant})
	}
	return all
}

// noSuchUser reports whether an error says that a name has no user, also because no user
// can have it.
func noSuchUser(err error) bool {
	return errors.Is(err, usher.ErrNotFound) || errors.As(err, new(*usher.FieldError))
}

// hasZero reports whether a text has U+0000, which no id has, and which a store may refuse
// in a way that looks like an outage.
func hasZero(s string) bool { return strings.Contains(s, "\x00") }

// texts returns an array of strings, of at most maxBatch; nil if it is absent.
func (o object) texts(name string) []string {
	var list bounded[string]
	o.read(name, &list, "must be an array of texts")
	if len(list) > maxBatch {
		o.addError(name, "too_long", "must have at most 500 entries")
	}
	if slices.ContainsFunc(list, hasZero) {
		o.addError(name, "invalid", "must not have the character U+0000")
	}
	return list
}

// filled is texts without empty ones: a search would take an empty role for no condition.
func (o object) filled(name string) []string {
	list := o.texts(name)
	if slices.Contains(list, "") {
		o.addError(name, "invalid", "must not have an empty text")
	}
	return list
}

// number returns a whole number that fits an int32; 0 if it is absent.
func (o object) number(name string) int {
	var n int32
	o.read(name, &n, "must be a whole number")
	return int(n)
}

// notServed refuses the members of a list that would change what the call does. To ignore
// them would do something else than the caller wants.
func (o object) notServed(names ...string) {
	for _, name := range names {
		switch string(o.get(name)) {
		case "", `""`, "[]", "{}", "false", "0":
		default:
			o.addError(name, "invalid", "is not served")
		}
	}
}

// tenants returns the member userTenants, with the permissions that the user has in these
// tenants already.
func (o object) tenants(current map[string]token.Tenant) map[string]token.Tenant {
	var given bounded[struct {
		TenantID  string
		RoleNames bounded[string]
	}]
	o.read("userTenants", &given, "must be an array of objects with tenantId and roleNames")
	all := map[string]token.Tenant{}
	for i, t := range given {
		if i == maxBatch || len(t.RoleNames) > maxBatch {
			o.addError("userTenants", "too_long", "must have at most 500 tenants, and 500 roles in each")
			break
		}
		if _, twice := all[t.TenantID]; t.TenantID == "" || twice {
			o.addError("userTenants", "invalid", "must have a tenantId in each object, and none twice")
			break
		}
		all[t.TenantID] = token.Tenant{Roles: t.RoleNames, Permissions: slices.Clone(current[t.TenantID].Permissions)}
	}
	return all
}
