// Package routers tests the handlers of Usher under routers other than
// net/http.ServeMux. It is a module of its own, so that the routers never become
// dependencies of a program that uses Usher.
package routers
