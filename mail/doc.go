// Package mail renders the messages of package usher as emails, and delivers them
// to an SMTP server or to a folder.
//
// A program passes a mailer to the service. [Dir] writes each email to a file, for
// development and tests:
//
//	usher.Config{Mailer: mail.Dir("mail"), …}
//
// [SMTP] sends emails; see its example. [ParseURL] returns either, as described by
// one setting.
//
// # What the emails say
//
// A [Composer] holds what differs between programs: the sender, the product's
// name, where users get help, the accent color and the logo. [Composer.Render]
// returns an email for a preview. An email has a plain text and an HTML part, which
// loads nothing from a server.
//
// The message says which language its reader prefers. English, German, French,
// Spanish and Hebrew are built in. [Composer.Texts] changes texts and adds
// languages; see package texts. [Composer.Templates] replaces templates; see
// [Templates].
//
// # What an email never contains
//
// An email contains no password, and no token except in the link. Only verify_email,
// reset_password, confirm_and_reset, change_email and invitation have a link. Notices have
// none, so that users do not get used to following links in notices.
//
// The text of a client's user agent is not quoted, because an attacker can put any
// text into it. The email names a browser and an operating system from a fixed list.
// A client address that is not an IP address is left out.
//
// A control character in an address, a name or a subject is an error, so a client cannot
// inject a header.
//
// # Delivery
//
// SMTP requires TLS with a verified certificate, by STARTTLS or from the first byte.
//
// The service calls a [usher.Mailer] again after an error, except if the error has
// a method Permanent() bool that returns true. [*MessageError] and [*DeliveryError]
// have the method. No error contains an address, a link, a user name, a password or
// the text of a server's reply.
//
// An email may arrive twice, if the instance stops after the server has accepted the
// email and before the outbox has recorded that. Both have the same Message-ID.
package mail
