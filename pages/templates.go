package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"sync"
	texttemplate "text/template"
)

// pageNames are the pages, each with a file of its own.
var pageNames = []string{
	"signin", "signup", "forgot", "sent", "reset", "invitation", "replace", "verify", "verified", "link", "problem",
	"account", "name", "email", "password", "everywhere", "delete", "confirm",
}

// templates has the parsed files of the pages.
type templates struct {
	pages map[string]*template.Template
	// style and script are whole elements. The policy (CSP) allows them by the hash of
	// their content.
	style, script template.HTML
	// styleHash and scriptHash are the source expressions of the policy.
	styleHash, scriptHash string
	icon                  []byte
}

// load reads and parses every file. A file of the program replaces the built-in one.
func (site *Site) load() (templates, error) {
	t := templates{}
	site.palette.Initial = initial(site.service.Name())
	style, err := site.executeFiles("style.css", "custom.css")
	if err != nil {
		return t, err
	}
	icon, err := site.executeFiles("icon.svg")
	if err != nil {
		return t, err
	}
	script, err := site.read("page.js")
	if err != nil {
		return t, err
	}
	own, err := site.read("custom.js")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	script += own
	for name, text := range map[string]string{"style.css": style, "page.js": script} {
		if strings.Contains(strings.ToLower(text), "</") {
			return t, fmt.Errorf("%s must not have \"</\", which would end its element", name)
		}
	}
	t.icon = []byte(icon)
	t.style = template.HTML("<style>" + style + "</style>")     //nolint:gosec // the program's own file
	t.script = template.HTML("<script>" + script + "</script>") //nolint:gosec // the program's own file
	t.styleHash, t.scriptHash = hashSource(style), hashSource(script)
	if site.cfg.Templates == nil {
		t.pages, err = builtInPages()
	} else {
		t.pages, err = site.parseAll()
	}
	return t, err
}

// builtInPages returns the pages of a program without files of its own. They are parsed
// once in each process, because tests start many Services.
var builtInPages = sync.OnceValues(new(Site).parseAll)

// parseAll parses every page.
func (site *Site) parseAll() (map[string]*template.Template, error) {
	all := map[string]*template.Template{}
	for _, name := range pageNames {
		t, err := site.parse(name)
		if err != nil {
			return nil, err
		}
		all[name] = t
	}
	return all, nil
}

// hashSource returns the source expression that allows an element with exactly this
// content (CSP Level 3).
func hashSource(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// parse returns the template of a page.
func (site *Site) parse(page string) (*template.Template, error) {
	t := template.New(page).Option("missingkey=error").Funcs(site.cfg.Funcs)
	for _, name := range []string{"layout.html", "parts.html", page + ".html"} {
		text, err := site.read(name)
		if err != nil {
			return nil, err
		}
		if _, err := t.Parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return t, nil
}

// executeFiles executes files as templates with the palette as data, and joins the results.
// Every file except the first may be missing.
func (site *Site) executeFiles(names ...string) (string, error) {
	var out bytes.Buffer
	for i, name := range names {
		text, err := site.read(name)
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		t, err := texttemplate.New(name).Parse(text)
		if err == nil {
			err = t.Execute(&out, site.palette)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return out.String(), nil
}

// read returns a file of the program, or else the built-in one.
func (site *Site) read(name string) (string, error) {
	if site.cfg.Templates != nil {
		b, err := fs.ReadFile(site.cfg.Templates, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return string(b), err
		}
	}
	b, err := fs.ReadFile(builtIn, "files/"+name)
	return string(b), err
}
