// Package routers tests the handlers of Usher under routers other than
// net/http.ServeMux, and beside a WebSocket library. It is a module of its own, so that
// these never become dependencies of a program that uses Usher.
package routers
