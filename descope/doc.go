// Package descope serves a Service in Descope's wire format, so that Descope's official
// SDKs work, unmodified, when their base URL points at it. The guide is
// docs/from-descope.md.
//
//	auth, err := usher.New(ctx, store, usher.Config{
//		BaseURL: "https://app.example.com", Issuer: "https://app.example.com/P2shop", …
//	})
//	d, err := descope.New(auth, descope.Config{ProjectID: "P2shop"})
//	mux.Handle("/v1/", d)
//	mux.Handle("/v2/", d)
//
// The package only translates: it parses requests, calls the Service, and writes answers.
// Every rule, limit and event is that of the Service, and a mount of package handlers
// beside it shares its users and sessions.
package descope
