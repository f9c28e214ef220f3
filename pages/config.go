package pages

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
)

// Config configures the pages. The zero Config is valid. The name of the program is
// usher.Config.Name, and the texts are handlers.Config.Texts.
type Config struct {
	// Logo is an image of this site, as a path such as "/static/logo.svg". It is
	// shown 32 CSS pixels high instead of the program's name. Defaults to
	// usher.Config.Name beside its initial.
	Logo string
	// Accent is the color of buttons and links, as "#rrggbb". Where links
	// would be hard to read, they get a darker or lighter shade (WCAG 2.2, 1.4.3).
	// Where buttons would be hard to see, they get another shade or a border
	// (1.4.11). The text on buttons is black or white, whichever has the higher
	// contrast. Defaults to "#3d4ed8".
	Accent string
	// Home is the path of this site to which a sign-in leads. Defaults to the path of
	// usher.Config.BaseURL, "/" for most programs.
	Home string

	// Providers are other ways to sign in, such as OpenID providers, which the program
	// offers at paths of its own. The pages for signing in and signing up show a link to
	// each of them. Defaults to none.
	Providers []Provider

	// Stylesheets and Scripts are files of the program, which every page loads after the
	// built-in style and script. The policy (CSP) of the page allows each by a nonce.
	// Style sheets can use images and fonts of this site, and scripts can send requests
	// to it. A script can read what users type, passwords too. Default to none.
	Stylesheets, Scripts []Asset
	// Links are shown in the footer of every page, such as to the terms, to the privacy
	// policy and to the support. A Text that begins with "own." is the key of a text.
	// The URL is a path of this site, or begins with https:// or mailto:. Defaults to
	// none.
	Links []Link
	// PictureHosts are the hosts whose pictures the account page shows, such as
	// "lh3.googleusercontent.com", for users with an https address there as their picture.
	// Each of these hosts learns the IP address of a user who opens the page. Pictures
	// of this site are always shown; other users have their initials. Defaults to none.
	PictureHosts []string
	// Data returns data of the program for a page, which templates get as {{.Data}}. It
	// is called at most once for a page, if a template uses it, and must not change
	// anything. The claims of a signed-in user are in the context of r
	// ([middleware.Claims]), except on the answer to a form that needs no session.
	// handlers.New calls it with a request without header fields. Defaults to none.
	Data func(r *http.Request) any

	// Templates has files that each replace the built-in file of the same name: see
	// [Files]. "custom.css" and "custom.js" are added to the built-in style and
	// script. handlers.New reads all files and executes the template of each page
	// once. An unknown file or an unknown key of a text is an error. Files whose name
	// begins with a dot are ignored. Defaults to none.
	Templates fs.FS
	// Funcs are further functions for the templates. Defaults to none.
	Funcs template.FuncMap
}

// Provider is another way to sign in.
type Provider struct {
	// Name is shown to users, such as "Example". Required.
	Name string
	// Path is the path of this site that begins the sign-in, such as
	// "/openid/example". It gets the query parameter "return_to" if the user is to
	// return to a page. Required.
	Path string
}

//go:embed files
var builtIn embed.FS

// Files returns the built-in files of the pages, as a starting point: layout.html,
// parts.html, one file for each page, style.css, page.js and icon.svg. All except
// page.js are templates; the data of the html files is a [*Page].
func Files() fs.FS {
	sub, err := fs.Sub(builtIn, "files")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}
