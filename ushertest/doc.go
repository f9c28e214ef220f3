// Package ushertest is for the tests of programs that use Usher. [New] starts a Service on
// a store in memory, with a clock that the test moves, a mailbox that waits for emails,
// hashes that cost nearly nothing, and no limits on attempts:
//
//	app := ushertest.New(t, ushertest.Config{Program: newServer})
//	client := app.SignedIn("ann@example.com")
//	got, err := client.Get(app.URL + "/dashboard")
//
// Program is the function by which the program builds its routes, so that the test runs what
// production runs. The client talks to it over TLS. Each App has its own users, clock, limits
// and mailbox, so tests may run in parallel. Everything ends with the test.
//
// [App.Attack] runs attacks on how the program has mounted and protected its routes.
//
// A test of one handler needs no App: [github.com/usherkit/usher/middleware.WithClaims] puts
// claims into the context of a request, and every Middleware accepts them.
package ushertest
