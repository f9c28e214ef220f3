package pages

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/internal/color"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/middleware"
)

// Site has the pages of one mount. Package handlers uses it; programs do not.
type Site struct {
	cfg       Config
	service   *usher.Service
	visits    *visit.Visits
	chain     *route.Chain
	cookies   *cookies.Jar
	catalogue *locale.Catalogue
	logger    *slog.Logger
	// base is the path of the pages, such as "/auth", and root that of the program's
	// public address, such as "".
	base, root string

	palette palette
	files   templates
	fields  []usher.SignUpField // of the program

	// noCookies and loop limit the lines about a sign-in that leads back to its page.
	noCookies, loop logs.Minute
}

// New returns the pages of a mount. It is for package handlers: the type of chain is
// internal. A program sets handlers.Config.Pages instead. An error names the setting that
// is wrong.
func New(cfg Config, chain *route.Chain) (*Site, error) {
	service := chain.Visits.Service
	u, err := url.Parse(service.PagesURL())
	if err != nil {
		return nil, fmt.Errorf("handlers: the address of the pages: %w", err)
	}
	root := strings.TrimSuffix(u.Path, strings.TrimPrefix(service.PagesURL(), service.BaseURL()))
	cfg.Home = cmp.Or(cfg.Home, root+"/")
	cfg.Accent = cmp.Or(cfg.Accent, color.DefaultAccent)
	for field, path := range map[string]string{"Home": cfg.Home, "Logo": cfg.Logo} {
		if path != "" && middleware.SafeReturnTo(path) == "" {
			return nil, fmt.Errorf("handlers: Config.Pages.%s must be a path of this site, such as /start", field)
		}
	}
	if err := cfg.checkExtras(); err != nil {
		return nil, err
	}
	for _, p := range cfg.Providers {
		if p.Name == "" || middleware.SafeReturnTo(p.Path) == "" || strings.ContainsAny(p.Path, "?#") {
			return nil, fmt.Errorf("handlers: Config.Pages.Providers needs a Name and a Path of this site without a query, such as /openid/example, not %q", p.Path)
		}
	}
	site := &Site{
		cfg: cfg, service: service, visits: chain.Visits, chain: chain, cookies: chain.Visits.Cookies,
		catalogue: chain.Catalogue, logger: chain.Logger, base: u.Path, root: root, fields: service.SignUpFields(),
	}
	if site.palette, err = newPalette(cfg.Accent); err != nil {
		return nil, fmt.Errorf("handlers: Config.Pages.Accent %w", err)
	}
	if site.files, err = site.load(); err == nil {
		err = site.check()
	}
	if err != nil {
		return nil, fmt.Errorf("handlers: Config.Pages.Templates: %w", err)
	}
	return site, nil
}

// views has the pages and forms of a mount. Without pages all of them are nil.
type views struct {
	SignIn, SignUp, Replace, Forgot, Reset, Verify *view
	Invitation                                     *view
	Account, Name, Email, Password, Delete         *view
	Confirm                                        *view
	ResendEmail, CancelEmail                       *view
	RevokeSession, SignOut, SignOutEverywhere      *view
	Language                                       *view
}

// Views returns the pages and forms. For a nil Site all of them are nil.
func (site *Site) Views() views {
	if site == nil {
		return views{}
	}
	v := views{
		SignIn: site.signInView(), SignUp: site.signUpView(), Replace: site.replaceView(),
		Forgot: site.forgotView(), Reset: site.resetView(), Invitation: site.invitationView(), Verify: site.verifyView(),
		Account: site.accountView(), Name: site.nameView(), Email: site.emailView(), Password: site.passwordView(), Delete: site.deleteView(), Confirm: site.confirmView(),
		ResendEmail: site.resendView(), CancelEmail: site.cancelEmailView(),
		RevokeSession: site.revokeView(), SignOut: site.signOutView(), SignOutEverywhere: site.signOutEverywhereView(),
		Language: site.languageView(),
	}
	return v
}

// Icon returns the handler of the icon, or nil for a nil Site.
func (site *Site) Icon() http.Handler {
	if site == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml; charset=utf-8")
		_, _ = w.Write(site.files.icon)
	})
}

// Redirect answers with 303 to a path of the mount, such as "/signin".
func (site *Site) Redirect(w http.ResponseWriter, path string) { _ = redirect(w, site.base+path) }
