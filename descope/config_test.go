package descope_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/internal/webtest"
)

// A setting with which the SDKs could not work stops the start, and the error names it.
func TestDE01_TheStartNamesTheWrongSetting(t *testing.T) {
	t.Parallel()
	k := newKit(t, setup{service: func(c *usher.Config) {
		c.BaseURL, c.Issuer = "https://auth.example.com", "https://auth.example.com/"+project
	}})
	jar := func(c cookies.Config) *cookies.Jar {
		c.Secret, c.Logger = webtest.Secret, slog.New(slog.DiscardHandler)
		return usher.Must(cookies.New(c))
	}
	for name, c := range map[string]descope.Config{
		"Config.ProjectID must":                                         {},
		"Config.ProjectID must ":                                        {ProjectID: "a/b"},
		"Config.ProjectID must  ":                                       {ProjectID: "a:b"},
		`set usher.Config.Issuer to "https://auth.example.com/P3"`:      {ProjectID: "P3"},
		`set usher.Config.Issuer to "https://auth.example.com/shop"`:    {ProjectID: "shop"}, // the end of a longer id
		"Config.ManagementKey must":                                     {ProjectID: project, ManagementKey: "short"},
		"Config.ManagementKey must ":                                    {ProjectID: project, ManagementKey: usher.Secret(strings.Repeat("a.b", 20))},
		"Config.ManagementKey must  ":                                   {ProjectID: project, ManagementKey: usher.Secret(strings.Repeat("a:", 20))},
		"Config.Cookies must have cookies.Config.Plain":                 {ProjectID: project, Cookies: jar(cookies.Config{})},
		"Config.Cookies must have cookies.Config.Plain and its default": {ProjectID: project, Cookies: jar(cookies.Config{Plain: true, RefreshName: "R"})},
		"Config.Cookies has InsecureLoopback":                           {ProjectID: project, Cookies: jar(cookies.Config{Plain: true, InsecureLoopback: true})},
		"Config.CookieDomain must not be set with Config.Cookies":       {ProjectID: project, CookieDomain: "example.com", Cookies: jar(cookies.Config{Plain: true})},
		`the Domain of Config.Cookies "other.com" must`:                 {ProjectID: project, Cookies: jar(cookies.Config{Plain: true, Domain: "other.com"})},
		`Config.CookieDomain "app.example.com" must`:                    {ProjectID: project, CookieDomain: "app.example.com"},
		`Config.CookieDomain "com" is a public suffix`:                  {ProjectID: project, CookieDomain: "com"},
		`Config.CookieDomain ".example.com" must`:                       {ProjectID: project, CookieDomain: ".example.com"},
		`Config.CookieDomain "Example.com" must`:                        {ProjectID: project, CookieDomain: "Example.com"},
		`Config.CookieDomain "ample.com" must`:                          {ProjectID: project, CookieDomain: "ample.com"},
		`Config.TrustedOrigins must not have "*"`:                       {ProjectID: project, TrustedOrigins: []string{"*"}},
		`TrustedOrigins[0]`:                                             {ProjectID: project, TrustedOrigins: []string{"https://app.example.com/"}},
		"Config.Timeout must not":                                       {ProjectID: project, Timeout: -1},
	} {
		_, err := descope.New(k.Service, c)
		if err == nil || !strings.Contains(err.Error(), strings.TrimRight(name, " ")) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && c.ManagementKey != "" && strings.Contains(err.Error(), c.ManagementKey.Reveal()) {
			t.Errorf("the error has the key: %v", err)
		}
	}
	for _, c := range []descope.Config{
		{ProjectID: project},
		{ProjectID: project, CookieDomain: "example.com"},
		{ProjectID: project, CookieDomain: "auth.example.com"},
		{ProjectID: project, Cookies: jar(cookies.Config{Plain: true, Domain: "example.com"})},
		{ProjectID: project, ManagementKey: managementKey, TrustedOrigins: []string{"https://app.example.com"}},
	} {
		if _, err := descope.New(k.Service, c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for base, domains := range map[string][]string{"https://auth.shop.co.uk": {"co.uk", "uk"}, "https://shop.github.io": {"github.io"}} {
		suffix := newKit(t, setup{service: func(c *usher.Config) { c.BaseURL, c.Issuer = base, base+"/"+project }})
		for _, domain := range domains {
			if _, err := descope.New(suffix.Service, descope.Config{ProjectID: project, CookieDomain: domain}); err == nil || !strings.Contains(err.Error(), "public suffix") {
				t.Errorf("%s for %s: %v", domain, base, err)
			}
		}
	}
	if _, err := descope.New(nil, descope.Config{ProjectID: project}); err == nil {
		t.Error("New works without a Service")
	}
}
