package descope

import "encoding/json"

// keys answers GET /v2/keys/PROJECT from memory. The SDKs fetch it once for each unknown
// key id, and keep it as long as they run. It has no member beside keys, because the SDK
// for Go refuses every member that is not an array.
func (h *Handler) keys(c *call) (any, error) {
	// As short as that of package handlers: keys are published for longer before they sign.
	c.w.Header().Set("Cache-Control", "public, max-age=60")
	return json.RawMessage(h.service.JWKS()), nil
}
