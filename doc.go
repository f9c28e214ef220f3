// Package usher implements password sign-up, sign-in, update, replacement and reset,
// and the sessions that follow.
//
//	store, err := sqlite.Open(ctx, "app.db")
//	…
//	service, err := usher.New(ctx, store, usher.Config{
//		Secret:  secret, // 32 random bytes; see SecretFile
//		BaseURL: "https://app.example.com",
//		Mailer:  mail.Dir("mail"),
//	})
//	…
//	defer service.Close(ctx)
//
// Every other field of [Config] has a production-safe default. A [Service] knows
// nothing of HTTP. Most programs do not call it: they mount package handlers, which
// has the routes and pages, and protect their own routes with package middleware.
//
// # Sessions
//
// A sign-in starts a session and returns two JWTs. The session token is valid for
// minutes. It is verified without a database, in this program or in any other that
// has the JWK Set ([Service.JWKS]). The refresh token is valid for days, is bound to
// the session in the store, and is exchanged for a new pair of tokens
// ([Service.RefreshSession]).
//
// A session ends by sign-out, by revocation, after [SessionConfig.Idle] without a
// refresh, and after [SessionConfig.Absolute]. This instance refuses the tokens of an
// ended session at once. Other instances on the same store refuse them within about a
// second.
//
// # Throttling
//
// Every password check is counted before anything is hashed: for the login id
// together with the network of the client, and for the network alone. The store keeps
// the counters, so all instances share them. A browser that has signed in before has
// counters of its own, so an attacker cannot lock the owner out. [LimitConfig] has
// the limits.
//
// A failed check returns the same error after the same work, whether or not the user
// exists. A request for a reset also gives the same answer in both cases, and so does
// a sign-up with [Config.ConfirmFirst].
//
// # Email
//
// The Service seals an email and stores it in the outbox, in the same transaction as
// the change that it reports. Background work then passes it to the [Mailer], outside
// of any request, and repeats that until the Mailer succeeds or gives up. An email
// therefore survives the end of the process, and the table reveals nothing of it.
//
// # Operators
//
// [Service.Operator] returns an [Operator], which administers users: it finds,
// imports, changes, disables and deletes them, acts as them for a short time, and rotates the
// signing keys. Every [Event] that it causes has the operator's name.
//
// # Errors
//
// The comment of each method ends with the errors that it returns. Compare them with
// errors.Is and errors.As, because most are wrapped:
//
//   - [*FieldError] names an input that is not acceptable, [*password.PolicyError]
//     describes a weak password, and [*InputErrors] holds several of both.
//   - [*LimitError] means too many attempts, and says how long to wait.
//   - [ErrInvalidCredentials], [ErrInvalidSession] and the other variables below are
//     the cases that callers branch on.
//   - [ErrUnavailable] means an outage. It never signs a user in or out.
package usher
