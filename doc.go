// Package usher holds the rules of password sign-up, sign-in, update, replace
// and reset, and of the sessions that follow: a Service on a Store.
//
//	store, err := sqlite.Open(ctx, "app.db")
//	…
//	auth, err := usher.New(store, usher.Config{
//		Secret:  secret, // 32 random bytes; see SecretFile
//		BaseURL: "https://app.example.com",
//		Mailer:  mail.Dir("mail"),
//	})
//
// Every other field of Config has a default that is safe in production. Most
// programs never call the Service: they mount its face from package handlers
// and wrap their routes with package middleware.
//
// # A session
//
// A sign-in starts a session and hands out two JWTs. The session token lives
// for minutes and is verified without a database, in this program or in any
// other that has the JWK Set. The refresh token lives for days, is bound to
// the session in the store, and is exchanged for a new pair. A session ends by
// sign-out, revocation, idle time or absolute time; in this process its tokens
// are refused from that instant, in the other processes on the same store
// within about a second.
//
// # Guessing
//
// Every password check counts, before anything is hashed, against the login id
// and the network it comes from, in the store, so that the limits hold on all
// machines together. A browser that has signed in before counts for itself, so
// that strangers cannot keep the owner out. Failures are alike in form and
// time, whether the user exists or not.
//
// # Mail
//
// A mail is written into the outbox, sealed, in the same step as what it tells
// of, and delivered outside of any request: nothing is lost when the process
// dies, and nothing readable lies in the table.
//
// # Errors
//
// Input that cannot be accepted is a [*FieldError] naming the field, a weak
// password a [*password.PolicyError], too many tries a [*LimitError]. The rest
// are the sentinels below. An outage is [ErrUnavailable] and never signs
// anybody in or out.
package usher
