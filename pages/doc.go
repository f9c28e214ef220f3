// Package pages has the HTML pages for users: sign-up, sign-in, resetting a forgotten
// password, confirming an address, and the account. They work without JavaScript. They
// load nothing from other sites, and their policy (CSP) forbids it.
//
// handlers.Config.Pages turns them on:
//
//	h, err := handlers.New(service, handlers.Config{
//		Pages: &pages.Config{Accent: "#0f6e66", Home: "/dashboard"},
//	})
//
// The pages link to each other, and emails link to them, so the handlers must be
// mounted at usher.Config.PagesPath.
//
// A program can replace the templates, which are in files/. See [Config] and
// [Files]; the data of a template is a [Page].
package pages
