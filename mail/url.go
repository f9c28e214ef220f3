package mail

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/usherkit/usher"
)

// ParseURL returns the Mailer that a setting describes, such as the value of a
// flag. c renders the emails.
//
//	dir:mail                          a *Folder with the path "mail"
//	smtp://user:password@host:587     a *Sender that uses STARTTLS
//	smtps://user:password@host:465    a *Sender that uses implicit TLS
//
// User, password and port are optional. Percent-encode the characters :/?#[]@% in
// a user or a password. The error never contains the setting, because it may
// contain a password.
func ParseURL(setting string, c Composer) (usher.Mailer, error) {
	if path, ok := strings.CutPrefix(setting, "dir:"); ok {
		if path == "" {
			return nil, errors.New("mail: dir: must be followed by the path of a folder")
		}
		if err := c.Check(); err != nil {
			return nil, err
		}
		return &Folder{Path: path, Composer: c}, nil
	}
	u, err := url.Parse(setting)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("mail: must be dir:PATH, smtp://USER:PASSWORD@HOST:PORT or smtps://USER:PASSWORD@HOST:PORT")
	}
	if u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("mail: an smtp URL must end after its host and port; percent-encode /, ? and # in a password")
	}
	cfg := SMTPConfig{Host: u.Hostname(), ImplicitTLS: u.Scheme == "smtps", Composer: c}
	if u.Port() != "" {
		// Zero is an error here; in the SMTPConfig it means the default.
		if cfg.Port, err = strconv.Atoi(u.Port()); err != nil || cfg.Port == 0 {
			return nil, errors.New("mail: the port of an smtp URL must be from 1 to 65535")
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		cfg.Username, cfg.Password = u.User.Username(), usher.Secret(password)
	}
	sender, err := SMTP(cfg)
	if err != nil {
		return nil, err // a nil *Sender would not be a nil Mailer
	}
	return sender, nil
}
