package mail

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/usherkit/usher"
)

// ParseURL makes a Mailer from one setting:
//
//	dir:mail                          Dir("mail", opts...)
//	smtp://user:password@host:587     SMTP with STARTTLS
//	smtps://user:password@host:465    SMTP with TLS from the first byte
//
// User, password and port may be left out; a user or password with one of the
// characters :/?#[]@% has them percent-encoded. The mails are worded by c; opts
// are for dir alone. The error never repeats the setting, which holds a
// password.
func ParseURL(setting string, c Composer, opts ...DirOption) (usher.Mailer, error) {
	if path, ok := strings.CutPrefix(setting, "dir:"); ok {
		if path == "" {
			return nil, errors.New("mail: dir: must be followed by a folder's path")
		}
		if err := c.Check(); err != nil {
			return nil, err
		}
		return Dir(path, append([]DirOption{WithComposer(c)}, opts...)...), nil
	}
	u, err := url.Parse(setting)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, errors.New("mail: must be dir:PATH, smtp://USER:PASSWORD@HOST:PORT or smtps://USER:PASSWORD@HOST:PORT")
	}
	if u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("mail: an smtp URL has nothing after its host and port; percent-encode /, ? and # in a password")
	}
	cfg := SMTPConfig{Host: u.Hostname(), ImplicitTLS: u.Scheme == "smtps", Composer: c}
	if u.Port() != "" {
		// Zero would mean the default; it is no port that can be dialled.
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
		return nil, err // not sender: a nil *Sender would be a Mailer that is not nil
	}
	return sender, nil
}
