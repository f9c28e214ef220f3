package descope

import (
	"net/http"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
)

// access says what a call needs in its Authorization header.
type access int

const (
	// accessAny needs nothing.
	accessAny access = iota
	// accessProject needs the project id.
	accessProject
	// accessRefresh needs the project id and a refresh token, which may also be in the
	// cookie of a browser. The action verifies it: call.refresh.
	accessRefresh
	// accessManagement needs the project id and the management key. The action acts
	// through call.operator.
	accessManagement
)

// row is one call of the SDKs.
type row struct {
	method, path string
	access       access
	// do does the work. Its answer is written as JSON; nil is {}.
	do func(c *call) (any, error)
	// size is the maximum size of the body in bytes. Defaults to route.MaxBody.
	size int64
	// timeout limits the work for one request. Defaults to Config.Timeout.
	timeout time.Duration
	// list means that the body is an array, the member list of call.in, and not an object.
	list bool
}

// call is one request to a row.
type call struct {
	w http.ResponseWriter
	r *http.Request
	// given is the Authorization header, except with accessAny.
	given credential
	// in is the body, which is an empty object if the request has none.
	in object
	// refresh is not empty with accessRefresh. It is not verified.
	refresh usher.Secret
	// byCookie means that refresh comes from the cookie of a browser.
	byCookie bool
	// operator is not nil with accessManagement.
	operator *usher.Operator
}

// rows is the table of all calls.
func (h *Handler) rows() []row {
	return append([]row{
		{method: http.MethodPost, path: "/v1/auth/password/signup", access: accessProject, do: h.signUp},
		{method: http.MethodPost, path: "/v1/auth/password/signin", access: accessProject, do: h.signIn},
		{method: http.MethodPost, path: "/v1/auth/password/reset", access: accessProject, do: h.sendReset},
		{method: http.MethodPost, path: "/v1/auth/password/update", access: accessRefresh, do: h.updatePassword},
		{method: http.MethodPost, path: "/v1/auth/password/replace", access: accessProject, do: h.replacePassword},
		{method: http.MethodGet, path: "/v1/auth/password/policy", access: accessProject, do: h.policy},
		{method: http.MethodPost, path: "/v1/auth/magiclink/verify", access: accessProject, do: h.verifyLink},
		{method: http.MethodPost, path: "/v1/auth/refresh", access: accessRefresh, do: h.refresh},
		{method: http.MethodPost, path: "/v1/auth/try-refresh", access: accessProject, do: h.tryRefresh},
		{method: http.MethodPost, path: "/v1/auth/logout", access: accessProject, do: h.signOut},
		{method: http.MethodPost, path: "/v1/auth/logoutall", access: accessRefresh, do: h.signOutEverywhere},
		{method: http.MethodGet, path: "/v1/auth/me", access: accessRefresh, do: h.me},
		{method: http.MethodGet, path: "/v1/auth/me/history", access: accessRefresh, do: h.history},
		{method: http.MethodPost, path: "/v1/auth/me/tenants", access: accessRefresh, do: h.myTenants},
		{method: http.MethodPost, path: "/v1/auth/tenant/select", access: accessRefresh, do: h.selectTenant},
		{method: http.MethodGet, path: "/v2/keys/" + h.cfg.ProjectID, access: accessAny, do: h.keys},
	}, h.managementRows()...)
}

// buildRoutes makes the handler of each path. Every other path is answered 404.
func (h *Handler) buildRoutes() {
	methods, timeouts := map[string]route.Methods{}, map[string]time.Duration{}
	for _, row := range h.rows() {
		if methods[row.path] == nil {
			methods[row.path] = route.Methods{}
		}
		methods[row.path][row.method] = h.chain.Action(func(w http.ResponseWriter, r *http.Request) error {
			return h.serve(w, r, row)
		})
		timeouts[row.path] = max(timeouts[row.path], row.timeout)
	}
	h.byPath = map[string]http.Handler{}
	for path, m := range methods {
		chain := *h.chain
		chain.Timeout = max(chain.Timeout, timeouts[path])
		h.byPath[path] = chain.Path(m)
	}
	h.notFound = h.chain.Path(nil)
}

// serve authorizes a request, reads its body, runs the action, and writes the answer.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, row row) error {
	c := &call{w: w, r: r, in: newObject(nil)}
	if err := h.authorize(c, row.access); err != nil {
		return err
	}
	if row.timeout > 0 {
		// This deadline may be later than that of the server, so it is set only after the
		// key is checked. If it cannot be set, the deadline of the request bounds the batch.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(row.timeout + 10*time.Second))
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPatch {
		if err := c.readBody(row); err != nil {
			return err
		}
	}
	answer, err := row.do(c)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, answer)
}

// seconds returns a time in whole seconds, as an int32, which is what the SDKs decode.
func seconds(t time.Time) int32 { return int32(clamp(t.Unix())) }

// clamp returns n within the range of an int32 and not negative.
func clamp(n int64) int64 { return min(max(n, 0), 1<<31-1) }
