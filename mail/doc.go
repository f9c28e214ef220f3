// Package mail words and delivers the messages that usher sends.
//
// The Service puts an [usher.Message] into its outbox: a kind, an address, and
// a link if the kind has one. This package turns it into a mail and hands it
// over, to an SMTP server or into a folder:
//
//	sender, err := mail.SMTP(mail.SMTPConfig{
//		Host:     "smtp.example.com",
//		Username: "app",
//		Password: usher.Secret(os.Getenv("SMTP_PASSWORD")),
//		Composer: mail.Composer{
//			From:    "no-reply@example.com",
//			Name:    "Example",
//			Support: "help@example.com",
//		},
//	})
//
// [Dir] writes one file a mail, for development and tests; [ParseURL] makes
// either from one setting, such as a flag.
//
// # Wording
//
// A [Composer] holds what differs between programs: the sender, the product's
// name, whom to ask for help, the color and the logo. [Composer.Render] returns
// the finished words of a message, for a preview. A mail has a plain text and, but
// for [Composer.TextOnly], an HTML part, which loads nothing from elsewhere.
//
// A mail is in its reader's language, which the message says: English, German,
// French, Spanish and Hebrew are built in. [Composer.Texts] changes single texts
// or adds a language; the same Catalogue serves the pages, see package texts. To
// change more, give [Composer.Templates] a file system with the
// files to replace; the rest stays as it is. The built-in ones are in
// [Templates]:
//
//	layout.txt     the frame of all plain texts: the link, when, from where
//	layout.html    the same in HTML
//	message.txt    "subject", "intro" and "notyou" of every kind
//	message.html   "title", "intro", "action" (on the button) and "notyou"
//
// A file reset_password.txt takes the place of message.txt for that
// [usher.MessageKind], and de/reset_password.txt for German alone. They are
// text/template and html/template, and their data is a [Data].
//
// # What is never in a mail
//
// No password, and no token but the link, which only these kinds have:
// verify_email, reset_password, confirm_and_reset and change_email. Notices
// have no link at all, so that nobody learns to follow one.
//
// The client's user agent is text from a stranger, sent under your name. It is
// not quoted: the mail names a browser and a system out of a fixed list, or
// neither. An address that is not an IP address is left out.
//
// Control characters in an address, a name or a subject are an error, and
// nothing is sent (no header can be injected).
//
// # Delivery
//
// SMTP goes over TLS with a verified certificate or not at all: STARTTLS, or
// TLS from the first byte (RFC 8314). A [usher.Mailer] is called again after an
// error, unless the error says that this is useless:
//
//	interface{ Permanent() bool }
//
// Both [*MessageError] (this message cannot be written) and [*DeliveryError]
// (the server's answer) have the method. No error has an address of a mailbox,
// a link, a user name or a password in its text, nor the server's own words,
// which may repeat them.
//
// A message may be delivered twice, if the machine stops between the server's
// answer and the outbox's note of it. Both have the same Message-ID.
package mail
