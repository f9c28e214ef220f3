package problem

import (
	"cmp"
	"encoding/json"
	"net/http"
)

// Problem is a problem document.
type Problem struct {
	// Type identifies the kind of problem. Defaults to the type of the code.
	Type string `json:"type"`
	// Title names the kind of problem in a few words. Defaults to the title of
	// the code, in English, or else to the standard text of the status.
	Title string `json:"title"`
	// Status is the HTTP status. Defaults to the status of the code, or else to 500.
	Status int `json:"status"`
	// Code names the kind of problem for clients: one of the constants, or a code
	// of the program. Required.
	Code Code `json:"code"`
	// Detail is a sentence for the client. Defaults to the detail of the code,
	// in English.
	Detail string `json:"detail"`
	// Fields are the inputs that are wrong. Defaults to none.
	Fields []Field `json:"fields,omitempty"`
	// RequestID names the request in the log. Defaults to the result of
	// [RequestID].
	RequestID string `json:"requestId"`
}

// Field is an input that is wrong.
type Field struct {
	// Field is the name of the input, such as "user.name".
	Field string `json:"field"`
	// Code names what is wrong, such as "too_long".
	Code string `json:"code"`
	// Detail is a sentence for the client.
	Detail string `json:"detail"`
}

// Write answers with a problem document. It fills in what p leaves empty, and
// forbids caches to store the answer. Headers that belong to one kind of
// problem, such as Retry-After, are set by the caller before.
func Write(w http.ResponseWriter, r *http.Request, p Problem) {
	p.Status = cmp.Or(p.Status, p.Code.Status(), http.StatusInternalServerError)
	p.Type = cmp.Or(p.Type, p.Code.Type())
	p.Title = cmp.Or(p.Title, p.Code.Title(), http.StatusText(p.Status))
	p.Detail = cmp.Or(p.Detail, p.Code.Detail())
	p.RequestID = cmp.Or(p.RequestID, RequestID(w, r))
	body, err := json.Marshal(p)
	if err != nil {
		panic("problem: " + err.Error()) // text and numbers can always be encoded
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}
