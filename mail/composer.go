package mail

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/texts"
)

//go:embed templates
var embedded embed.FS

// Templates returns the built-in templates, to copy from: the frames layout.txt
// and layout.html, and message.txt and message.html, which put the words of a
// kind into them. The words are in the catalogue: see package texts.
func Templates() fs.FS {
	sub, err := fs.Sub(embedded, "templates")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// kinds tells the kinds that there are, and which of them have a link.
var kinds = map[usher.MessageKind]bool{
	usher.MessageVerifyEmail:       true,
	usher.MessageAlreadyRegistered: false,
	usher.MessageResetPassword:     true,
	usher.MessageConfirmAndReset:   true,
	usher.MessagePasswordChanged:   false,
	usher.MessageChangeEmail:       true,
	usher.MessageEmailChanging:     false,
	usher.MessageEmailChanged:      false,
	usher.MessageSignInNotice:      false,
}

// Composer turns messages into words. Its zero value works, for previews and
// for a folder; for real mail set From.
type Composer struct {
	// From is the sender, an address or "Name <address>". A domain outside
	// ASCII is sent as A-labels. [SMTP] requires it, because receivers check
	// it. Defaults to "no-reply@localhost".
	From string
	// Name is the product's name, in subjects and texts, and the sender's if
	// From has none. Defaults to the domain of From.
	Name string
	// Support is one line that says whom to ask for help, such as
	// "help@example.com" or "+1 555 0100". Every mail ends with it. Defaults to
	// none, and the notices say "For help, contact", with Name.
	Support string
	// Accent is the color of the button, as "#rrggbb". It is made darker or
	// lighter where it could not be seen, and the text on it is black or white,
	// whichever can be read better. Defaults to "#3d4ed8", as on the pages.
	Accent string
	// Logo is an image, to be shown 32 CSS pixels high above the text in the place
	// of the name: a PNG, JPEG or GIF of at most 100,000 bytes, that can be seen on
	// a light and on a dark ground. It is part of each mail, so that nothing is
	// loaded from elsewhere; where images are not shown, the name is. Defaults to
	// the name.
	Logo []byte
	// TextOnly leaves the HTML part out. Defaults to both, of which the reader's
	// program shows one.
	TextOnly bool
	// Texts are the words and their languages: a message says which its reader
	// wants. The same Catalogue suits handlers.Config. Defaults to the built-in
	// ones.
	Texts texts.Catalogue
	// Location is the time zone of the times in a mail. Defaults to UTC.
	Location *time.Location
	// Templates has files that replace built-in ones, such as "layout.html" or
	// "reset_password.txt", for all languages, or as "de/reset_password.txt" for
	// one. They are read for each mail, so that an edited file shows at once.
	// Defaults to none.
	Templates fs.FS
	// Funcs are further functions for the templates. Defaults to none.
	Funcs texttemplate.FuncMap
}

// Check returns what is wrong with the settings and the templates of all
// kinds, or nil. [SMTP] and [ParseURL] have called it.
func (c Composer) Check() error {
	catalogue, err := c.catalogue()
	if err != nil {
		return err
	}
	var errs []error
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		for _, lang := range catalogue.Languages() {
			if _, err := c.compose(usher.Message{
				ID: "check", Kind: kind, To: "check@example.com", Language: lang,
				Link: "https://example.com/check", At: at, ExpiresAt: at.Add(time.Hour),
			}); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// Render returns the words of m. The html is there with TextOnly too. Text and
// html of a kind with a link hold the link, a secret: don't log them. The error is
// a [*MessageError], or names a field of the Composer.
func (c Composer) Render(m usher.Message) (subject, text, html string, err error) {
	l, err := c.compose(m)
	if err != nil {
		return "", "", "", err
	}
	return l.subject, l.text, l.html, nil
}

// letter is a message in words.
type letter struct {
	from                *netmail.Address
	to                  string
	subject, text, html string
	language            string
	logo                *Logo
	at                  time.Time
}

func (c Composer) compose(m usher.Message) (*letter, error) {
	c, from, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	hasLink, known := kinds[m.Kind]
	fail := func(field, detail string) (*letter, error) {
		return nil, &MessageError{m.Kind, field, detail}
	}
	to, err := parseMailbox(m.To)
	switch {
	case !known:
		return fail("Kind", "is not one that this package words")
	case m.ID == "":
		return fail("ID", "must not be empty")
	case err != nil:
		return fail("To", err.Error())
	}
	catalogue, err := c.catalogue()
	if err != nil {
		return nil, err
	}
	light, dark, err := c.palette()
	if err != nil {
		return nil, err
	}
	logo, err := c.logo()
	if err != nil {
		return nil, err
	}
	speaker := catalogue.For(m.Language)
	l := &letter{from: from, to: to, at: m.At, language: speaker.Lang(), logo: logo}
	if l.at.IsZero() {
		l.at = time.Now()
	}
	data := Data{
		Kind: m.Kind, Name: c.Name, Support: c.Support, Logo: logo, Light: light, Dark: dark, speaker: speaker,
		At: l.at.In(c.Location), Address: cleanIP(m.Address), Device: newDevice(m.UserAgent),
	}
	if hasLink {
		if data.Link = m.Link.Reveal(); !isLink(data.Link) {
			return fail("Link", "must be an absolute http or https URL in ASCII without spaces")
		}
		data.ExpiresIn = newSpan(m.ExpiresAt.Sub(l.at))
	}
	if err := c.fill(l, &data); err != nil {
		// Errors of the template packages quote the template, not the data.
		return fail("template", err.Error())
	}
	return l, nil
}

// withDefaults returns a copy without zero fields, checked, and the sender.
func (c Composer) withDefaults() (Composer, *netmail.Address, error) {
	from, err := parseSender(cmp.Or(c.From, "no-reply@localhost"))
	if err != nil {
		return c, nil, fmt.Errorf("mail: Composer.From %w", err)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	c.Name = cmp.Or(c.Name, domain)
	c.Location = cmp.Or(c.Location, time.UTC)
	from.Name = cmp.Or(from.Name, c.Name)
	switch {
	case !singleLine(c.Name):
		return c, nil, errors.New("mail: Composer.Name must be one line without control characters")
	case !singleLine(c.Support):
		return c, nil, errors.New("mail: Composer.Support must be one line without control characters")
	}
	return c, from, nil
}

// catalogue is the texts that the Composer speaks from.
func (c Composer) catalogue() (*locale.Catalogue, error) {
	if len(c.Texts.Languages) == 0 && len(c.Texts.Texts) == 0 {
		return locale.Default(), nil
	}
	catalogue, err := locale.New(c.Texts.Languages, c.Texts.Texts)
	if err != nil {
		return nil, fmt.Errorf("mail: Composer.Texts: %w", err)
	}
	return catalogue, nil
}

// fill executes the templates of the message's kind.
func (c Composer) fill(l *letter, data *Data) error {
	var subject, text, html strings.Builder
	textFiles, err := c.read(data, ".txt")
	if err != nil {
		return err
	}
	words := texttemplate.New("").Option("missingkey=error").Funcs(texttemplate.FuncMap{"wrap": wrap}).Funcs(c.Funcs)
	for _, f := range textFiles {
		if _, err := words.Parse(f); err != nil {
			return err
		}
	}
	if err := words.ExecuteTemplate(&subject, "subject", data); err != nil {
		return err
	}
	data.Subject = strings.TrimSpace(subject.String())
	if data.Subject == "" || !singleLine(data.Subject) {
		return errors.New("the subject must be one line without control characters")
	}
	if err := words.ExecuteTemplate(&text, "layout", data); err != nil {
		return err
	}
	htmlFiles, err := c.read(data, ".html")
	if err != nil {
		return err
	}
	markup := htmltemplate.New("").Option("missingkey=error").Funcs(c.Funcs)
	for _, f := range htmlFiles {
		if _, err := markup.Parse(f); err != nil {
			return err
		}
	}
	if err := markup.ExecuteTemplate(&html, "layout", data); err != nil {
		return err
	}
	l.subject, l.text, l.html = data.Subject, tidy(text.String()), tidy(html.String())
	return nil
}

// read returns the layout and the kind's template: that of Templates for the
// language, that of Templates for all, or the built-in one.
func (c Composer) read(data *Data, ext string) ([]string, error) {
	var files []string
	for _, name := range []string{"layout", string(data.Kind)} {
		b, err := c.own(data.Lang()+"/"+name+ext, name+ext)
		if errors.Is(err, fs.ErrNotExist) {
			builtin := "layout"
			if name != "layout" {
				builtin = "message"
				b, err = c.own(builtin + ext)
			}
			if errors.Is(err, fs.ErrNotExist) {
				b, err = fs.ReadFile(embedded, "templates/"+builtin+ext)
			}
		}
		if err != nil {
			return nil, err
		}
		files = append(files, string(b))
	}
	return files, nil
}

// own returns the first of the files that Templates has.
func (c Composer) own(paths ...string) ([]byte, error) {
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

// signature is the line above a signature (RFC 3676 §4.3): mail programs fold away
// what is below, and leave it out of answers.
const signature = "-- \n"

// tidy takes away what conditions in a template leave behind: spaces at the end
// of a line, but for those of the line above a signature, and more than one empty
// line in a row.
func tidy(s string) string {
	var b strings.Builder
	empty := true
	for line := range strings.Lines(s) {
		if line == signature {
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

// isLink reports whether s can stand in a mail as a link, whole: it is not cut
// at a space, and has nothing to escape.
func isLink(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'<>\`, r) {
			return false
		}
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}
