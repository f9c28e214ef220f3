package pages

import (
	"embed"
	"html/template"
	"io/fs"
)

// Config changes the look of the pages. The zero Config is valid. The name of the
// program is that of usher.Config.Name, and the texts are those of
// handlers.Config.Texts.
type Config struct {
	// Logo is an image of this site, as a path such as "/static/logo.svg". It is
	// shown 32 CSS pixels high instead of the program's name. Defaults to
	// usher.Config.Name beside its initial.
	Logo string
	// Accent is the color of buttons and links, as "#rrggbb". Links are made
	// darker or lighter until they can be read (WCAG 2.2, 1.4.3). Buttons are made
	// lighter on a dark page, and pale ones get a border, until they can be seen
	// (1.4.11). The text on buttons is black or white, whichever can be read
	// better. Defaults to "#3d4ed8".
	Accent string
	// Home is where a finished sign-in goes: a path of this site. Defaults to
	// "/".
	Home string

	// Templates has files that replace built-in ones of the same name, one by
	// one: see [Files]. "custom.css" and "custom.js" are added to the built-in
	// style and script. handlers.New reads them and executes the template of each
	// page once. It refuses unknown files and unknown keys of texts; files whose
	// name begins with a dot are ignored. Defaults to none.
	Templates fs.FS
	// Funcs are further functions for the templates. Defaults to none.
	Funcs template.FuncMap
}

//go:embed files
var builtIn embed.FS

// Files returns the built-in files of the pages, to copy from: layout.html,
// parts.html, one file for each page, style.css, page.js and icon.svg. All except
// page.js are templates; the data of the html files is a [*Page].
func Files() fs.FS {
	sub, err := fs.Sub(builtIn, "files")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}
