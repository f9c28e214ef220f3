// Package api implements the JSON routes: it decodes bodies, calls the Service and writes
// the answers. Package handlers documents each route.
package api

import (
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/internal/visit"
)

// API has the JSON routes of a mount. Each method is the action of one route.
type API struct {
	service *usher.Service
	visits  *visit.Visits
	chain   *route.Chain
	now     func() time.Time

	revocations revocationList
}

// New returns the JSON routes of a mount.
func New(chain *route.Chain) *API {
	return &API{service: chain.Visits.Service, visits: chain.Visits, chain: chain, now: chain.Now}
}

// withDevice adds the device token of the body to a client, if the mount has no cookies.
// Call it before in.err.
func (api *API) withDevice(c usher.Client, in object) usher.Client {
	if api.visits.Cookies == nil {
		c.Device = in.secret("deviceToken")
	}
	return c
}
