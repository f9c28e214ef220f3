// Package pgtest starts PostgreSQL servers that are thrown away afterwards, for
// tests and for the fault drills. It needs the server's programs on the machine
// and nothing else: no root, no running service, no password.
//
// A package's tests share one server. Its TestMain calls [Main], and each test
// asks for tables of its own:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		store, err := postgres.Open(t.Context(), pgtest.Schema(t))
//		…
//
// Where the programs are missing, such a test is skipped, and fails where the
// environment says CI=true. USHER_TEST_POSTGRES may hold the URL of a database
// instead, in which the role may create schemas and databases.
package pgtest
