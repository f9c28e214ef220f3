package descope

import "net/http"

// managementRows are the calls that need the management key.
func (h *Handler) managementRows() []row {
	return []row{
		{method: http.MethodGet, path: "/v1/mgmt/license", access: accessManagement, do: h.license},
	}
}

// license answers GET /v1/mgmt/license, which the SDKs call once when they start. They
// send the value back with each management call, and it has no effect here.
func (h *Handler) license(*call) (any, error) {
	return struct {
		RateLimitTier string `json:"rateLimitTier"`
	}{"tier1"}, nil
}
