// Package pgtest starts temporary PostgreSQL servers for tests and for the fault
// drills. It needs PostgreSQL's programs and nothing else: neither root, nor a running
// service, nor a password.
//
// The tests of a package share one server. TestMain calls [Main], and each test gets
// its own tables:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		store, err := postgres.Open(t.Context(), pgtest.Schema(t))
//		…
//
// If the programs are missing, such a test is skipped; with the environment variable
// CI=true it fails. USHER_TEST_POSTGRES may contain the URL of a database to use
// instead. Its role must be allowed to create schemas and databases.
package pgtest
