package mail

import (
	"embed"
	"errors"
	htmltemplate "html/template"
	"io/fs"
	"strings"
	texttemplate "text/template"
)

//go:embed templates
var embedded embed.FS

// Templates returns the built-in templates, for use as a starting point:
//
//	layout.txt     defines "layout": the frame of every plain text
//	layout.html    defines "layout" and "brand": the frame of every HTML part
//	message.txt    defines "subject", "intro" and "notyou" for every kind
//	message.html   defines "title", "intro", "action" and "notyou" for every kind
//
// A file such as reset_password.txt replaces message.txt for that
// [usher.MessageKind]. The files are text/template and html/template; their data
// is a [*Data]. The text templates have the function wrap, which breaks a
// paragraph into lines.
func Templates() fs.FS {
	sub, err := fs.Sub(embedded, "templates")
	if err != nil {
		panic(err) // the path is a constant
	}
	return sub
}

// render executes the templates for the message's kind.
func (c Composer) render(e *email, data *Data) error {
	var subject, text, html strings.Builder
	files, err := c.templateFiles(data, ".txt")
	if err != nil {
		return err
	}
	plain := texttemplate.New("").Option("missingkey=error").Funcs(texttemplate.FuncMap{"wrap": wrap}).Funcs(c.Funcs)
	for _, f := range files {
		if _, err := plain.Parse(f); err != nil {
			return err
		}
	}
	if err := plain.ExecuteTemplate(&subject, "subject", data); err != nil {
		return err
	}
	data.Subject = strings.TrimSpace(subject.String())
	if data.Subject == "" || !singleLine(data.Subject) {
		return errors.New("the subject must be one line without control characters")
	}
	if err := plain.ExecuteTemplate(&text, "layout", data); err != nil {
		return err
	}
	if files, err = c.templateFiles(data, ".html"); err != nil {
		return err
	}
	markup := htmltemplate.New("").Option("missingkey=error").Funcs(c.Funcs)
	for _, f := range files {
		if _, err := markup.Parse(f); err != nil {
			return err
		}
	}
	if err := markup.ExecuteTemplate(&html, "layout", data); err != nil {
		return err
	}
	e.subject, e.text, e.html = data.Subject, tidy(text.String()), tidy(html.String())
	return nil
}

// templateFiles returns the layout and the template of the kind. A file of Templates for
// the language comes before one for all languages, and before the built-in one.
func (c Composer) templateFiles(data *Data, ext string) ([]string, error) {
	var files []string
	for _, name := range []string{"layout", string(data.Kind)} {
		b, err := c.readReplacement(data.Lang()+"/"+name+ext, name+ext)
		if errors.Is(err, fs.ErrNotExist) {
			builtIn := "layout"
			if name != "layout" {
				builtIn = "message"
				b, err = c.readReplacement(builtIn + ext)
			}
			if errors.Is(err, fs.ErrNotExist) {
				b, err = fs.ReadFile(embedded, "templates/"+builtIn+ext)
			}
		}
		if err != nil {
			return nil, err
		}
		files = append(files, string(b))
	}
	return files, nil
}

// readReplacement reads the first of the paths that exists in Templates.
func (c Composer) readReplacement(paths ...string) ([]byte, error) {
	if c.Templates == nil {
		return nil, fs.ErrNotExist
	}
	for _, path := range paths {
		b, err := fs.ReadFile(c.Templates, path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, fs.ErrNotExist
}

// signatureMark is the line before a signature (RFC 3676 §4.3). Mail programs
// leave out what follows it in replies.
const signatureMark = "-- \n"

// tidy removes spaces at the end of a line, except in the signature mark, and repeated
// empty lines. The conditions in the templates leave them behind.
func tidy(s string) string {
	var b strings.Builder
	empty := true
	for line := range strings.Lines(s) {
		if line == signatureMark {
			b.WriteString(line)
			empty = false
			continue
		}
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" && empty {
			continue
		}
		empty = line == ""
		b.WriteString(line + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
