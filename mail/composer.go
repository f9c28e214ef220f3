package mail

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
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
	"github.com/usherkit/usher/internal/useragent"
	"github.com/usherkit/usher/internal/weburl"
	"github.com/usherkit/usher/texts"
)

// Composer renders messages as emails. The zero Composer works, for previews and
// for a [Folder]; [SMTP] requires From.
type Composer struct {
	// From is the sender, as an address or as "Name <address>". [SMTP] requires it,
	// because receiving servers check it. A domain outside ASCII is sent as A-labels.
	// Defaults to "no-reply@localhost".
	From string
	// Name is the product's name, in subjects and texts, and the name of the sender
	// if From has none. Defaults to the Name of the message, which is that of the
	// usher.Config, and then to the domain of From.
	Name string
	// Support is one line that tells users where to get help, such as
	// "help@example.com" or "+1 555 0100". It is at the end of every email. Defaults
	// to none; notices then say "For help, contact" and Name.
	Support string
	// Accent is the color of the button, in the form "#rrggbb". It is made darker or
	// lighter where it would be invisible. The text on the button is black or white,
	// whichever has the higher contrast. Defaults to "#3d4ed8", as on the pages.
	Accent string
	// Logo is a PNG, JPEG or GIF image of at most 100,000 bytes. It is shown above the
	// text instead of Name, 32 CSS pixels high, and should be visible on light and on
	// dark backgrounds. The email contains the image, so that nothing is loaded from a
	// server; mail programs that show no images show Name. Defaults to Name.
	Logo []byte
	// TextOnly leaves out the HTML part. Defaults to an email with both parts, of
	// which the mail program shows one.
	TextOnly bool
	// Texts selects the languages and replaces texts. The message says which language
	// its reader prefers. Use the same Catalogue for the pages. Defaults to the
	// built-in texts.
	Texts texts.Catalogue
	// Location is the time zone of the times in the emails. Defaults to UTC.
	Location *time.Location
	// Templates contains files that replace built-in ones for all languages, such as
	// "layout.html" or "reset_password.txt", or for one language, such as
	// "de/reset_password.txt". The files are read for each email, so that a changed
	// file takes effect at once. Defaults to none. See [Templates].
	Templates fs.FS
	// Funcs adds functions to the templates. Defaults to none.
	Funcs texttemplate.FuncMap
}

// kinds maps the kinds of messages to whether they have a link.
var kinds = map[usher.MessageKind]bool{
	usher.MessageVerifyEmail:       true,
	usher.MessageAlreadyRegistered: false,
	usher.MessageResetPassword:     true,
	usher.MessageConfirmAndReset:   true,
	usher.MessagePasswordChanged:   false,
	usher.MessageChangeEmail:       true,
	usher.MessageEmailChanging:     false,
	usher.MessageEmailChanged:      false,
	usher.MessageLoginIDsChanged:   false,
	usher.MessageSignInNotice:      false,
	usher.MessagePasswordLocked:    false,
	usher.MessagePasswordBreached:  false,
	usher.MessageAccountDeleted:    false,
	usher.MessageInvitation:        true,
}

// Check renders every kind of message in every language, and returns the errors
// of the settings and the templates. [SMTP] and [ParseURL] call it.
func (c Composer) Check() error {
	catalogue, err := c.catalogue()
	if err != nil {
		return err
	}
	var errs []error
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		for _, language := range catalogue.Languages() {
			if _, err := c.compose(usher.Message{
				ID: "check", Kind: kind, To: "check@example.com", Language: language,
				Link: "https://example.com/check", Code: "012345", CodeExpiresAt: at.Add(10 * time.Minute), At: at, ExpiresAt: at.Add(time.Hour),
			}); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// Render returns the subject and the two parts of the email for m, for a preview.
// It renders the HTML part even if TextOnly is set. Text and html contain the
// message's link, which is a secret: do not log them. The error is a
// [*MessageError], or it names a field of the Composer.
func (c Composer) Render(m usher.Message) (subject, text, html string, err error) {
	e, err := c.compose(m)
	if err != nil {
		return "", "", "", err
	}
	return e.subject, e.text, e.html, nil
}

// email is a rendered message.
type email struct {
	from                *netmail.Address
	to                  string
	subject, text, html string
	language            string
	logo                *Logo
	at                  time.Time
}

func (c Composer) compose(m usher.Message) (*email, error) {
	hasLink, known := kinds[m.Kind]
	fail := func(field, detail string) (*email, error) {
		return nil, &MessageError{m.Kind, field, detail}
	}
	if !singleLine(m.Name) {
		return fail("Name", "must be one line without control characters")
	}
	c.Name = cmp.Or(c.Name, m.Name)
	c, from, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	to, err := parseMailbox(m.To)
	switch {
	case !known:
		return fail("Kind", "must be a kind of package usher")
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
	e := &email{from: from, to: to, at: m.At, language: speaker.Lang(), logo: logo}
	if e.at.IsZero() {
		e.at = time.Now()
	}
	data := Data{
		Kind: m.Kind, Name: c.Name, Support: c.Support, Logo: logo, Light: light, Dark: dark, speaker: speaker,
		At: e.at.In(c.Location), Address: cleanIP(m.Address),
	}
	data.Browser, data.System = useragent.Of(m.UserAgent)
	if hasLink {
		if !isLink(m.Link.Reveal()) {
			return fail("Link", "must be an absolute URL in ASCII without spaces, http, https or with the scheme of an app")
		}
		data.Link = template.URL(m.Link.Reveal()) //nolint:gosec // isLink has checked the scheme
		data.ExpiresIn = max(0, m.ExpiresAt.Sub(e.at))
		if m.Code != "" && strings.Trim(m.Code.Reveal(), "0123456789") != "" {
			return fail("Code", "must have only digits")
		}
		data.Code, data.CodeExpiresIn = m.Code.Reveal(), max(0, m.CodeExpiresAt.Sub(e.at))
	}
	if err := c.render(e, &data); err != nil {
		// The template packages quote the template in their errors, and not the data.
		return fail("template", err.Error())
	}
	return e, nil
}

// withDefaults returns a checked copy with defaults, and the sender.
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

// catalogue compiles Texts.
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

// isLink reports whether s is a URL that mail programs recognize as a whole, and
// that needs no escaping.
func isLink(s string) bool {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"'<>\`, r) {
			return false
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil {
		return false
	}
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" || weburl.HasAppScheme(s) && u.Opaque == ""
}
