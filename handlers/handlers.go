package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"weak"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/api"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
)

// Handlers serves the routes of a Service, and has the middleware for the program's
// own routes. [New] returns one. It is safe for concurrent use.
//
// Each method that is named after a route, such as SignIn, is that route, and can be
// mounted at any path. It checks the method, the origin, and the size and type of the body,
// sets the headers, and recovers from panics.
type Handlers struct {
	// Middleware has the methods for the program's own routes: h.Require,
	// h.RequireRole and so on.
	*middleware.Middleware

	chain  *route.Chain
	api    *api.API
	site   *pages.Site // nil without Config.Pages
	guards guards
	health health

	mount *mount
	mux   *http.ServeMux
	// byRoute has the handlers behind the methods of Handlers, by method and path.
	byRoute  map[string]http.Handler
	notFound http.Handler
}

// New returns the handlers of a Service. It logs a warning if emailed links lead to
// pages and neither Config.Pages nor an earlier mount of the Service has them. An error
// names the setting that is wrong.
func New(auth *usher.Service, cfg Config) (*Handlers, error) {
	if auth == nil {
		return nil, errors.New("handlers: New needs a Service: usher.New makes one")
	}
	cfg, err := cfg.complete(auth)
	if err != nil {
		return nil, err
	}
	visits := &visit.Visits{Service: auth, Cookies: cfg.Cookies, TrustedProxies: cfg.TrustedProxies, EndWithBrowser: cfg.EndWithBrowser, Logger: cfg.Logger}
	visits.Origins, err = middleware.NewCrossOrigin(middleware.CrossOriginConfig{
		TrustedOrigins: cfg.writers(auth), TrustedProxies: cfg.TrustedProxies, HTTPS: usesHTTPS(auth),
	})
	if err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	chain := &route.Chain{
		Visits: visits, Origins: cfg.TrustedOrigins, HSTS: cfg.HSTS, Timeout: cfg.Timeout, Logger: cfg.Logger, Now: cfg.Now,
		OnError: cfg.OnError,
	}
	if chain.Catalogue, err = locale.New(cfg.Texts.Languages, cfg.Texts.Texts); err != nil {
		return nil, fmt.Errorf("handlers: Config.Texts: %w", err)
	}
	h := &Handlers{chain: chain, api: api.New(chain), mount: newMount(auth, cfg)}
	if cfg.Pages != nil {
		if h.site, err = pages.New(*cfg.Pages, chain); err != nil {
			return nil, err
		}
		chain.ErrorPage = h.site.Problem
	}
	if err := h.addGuards(auth, cfg); err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	h.buildRoutes()
	warnOfMissingPages(auth, cfg)
	cfg.warnOfWideProxies()
	return h, nil
}

// withPages has the Services of which a mount has pages, as weak pointers.
var withPages sync.Map

// warnOfMissingPages logs a warning if emailed links lead to pages that no mount of the
// Service has.
func warnOfMissingPages(auth *usher.Service, cfg Config) {
	service := weak.Make(auth)
	if cfg.Pages != nil {
		withPages.Store(service, true)
	}
	if _, has := withPages.Load(service); has {
		return
	}
	links := auth.Links()
	for setting, link := range map[string]string{"ResetPassword": links.ResetPassword, "VerifyEmail": links.VerifyEmail} {
		if _, page := weburl.CutPath(link, auth.PagesURL()); page {
			cfg.Logger.Warn("handlers: emailed links lead to a page that the program does not have", "link", link,
				"advice", "set usher.Config.Links."+setting+", or make the mount with handlers.Config.Pages first")
		}
	}
}
