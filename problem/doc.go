// Package problem writes the errors of an HTTP API as problem documents
// (RFC 9457). The routes of package handlers and the refusals of package
// middleware use it, and a program can answer with it on its own routes, so
// that its clients read errors in one format:
//
//	problem.Write(w, r, problem.Problem{Code: problem.NotFound})
//
// The document looks like this:
//
//	{"type":"https://…/docs/errors/not_found.md","title":"Not found","status":404,
//	 "code":"not_found","detail":"There’s nothing at this address.","requestId":"4Q5…"}
//
// A client decides by the code, which is stable. The constants of type [Code]
// are all codes that Usher uses; codes.go is the table of their statuses and
// texts.
package problem
