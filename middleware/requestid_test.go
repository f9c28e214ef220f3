package middleware_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
)

func TestRequestID_IsTheSameEverywhere(t *testing.T) {
	var inContext string
	h := middleware.RequestID(newWorld(t).middleware(nil).Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inContext = middleware.RequestIDFromContext(r.Context())
		problem.Write(w, r, problem.Problem{Code: problem.NotFound})
	})))
	for sent, kept := range map[string]bool{"abc-1": true, "": false, "two words": false, "a\"b": false} {
		got := do(h, request("GET", "/", func(r *http.Request) { r.Header.Set("X-Request-Id", sent) }))
		var p problem.Problem
		if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		id := got.Header().Get("X-Request-Id")
		if id == "" || id != inContext || id != p.RequestID || (id == sent) != kept {
			t.Errorf("%q: header %q, context %q, document %q", sent, id, inContext, p.RequestID)
		}
	}
}

func TestRequestID_OfARefusal(t *testing.T) {
	h := middleware.RequestID(newWorld(t).middleware(nil).Require(whoami))
	got := do(h, request("GET", "/", func(r *http.Request) { r.Header.Set("X-Request-Id", "abc-1") }))
	var p problem.Problem
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || got.Code != 401 || p.RequestID != "abc-1" || got.Header().Get("X-Request-Id") != "abc-1" {
		t.Errorf("%d %v %s", got.Code, got.Header(), got.Body)
	}
}

func TestRequestIDFromContext_WithoutOne(t *testing.T) {
	if id := middleware.RequestIDFromContext(t.Context()); id != "" {
		t.Errorf("got %q", id)
	}
}

func ExampleRequestID() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.Problem{Code: problem.NotFound, Detail: "No such order."})
	})
	server := middleware.RequestID(mux)

	r := httptest.NewRequest("GET", "/orders/7", nil)
	r.Header.Set("X-Request-Id", "request-1")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	fmt.Print(w.Header().Get("X-Request-Id"), " ", w.Body)
	// Output:
	// request-1 {"type":"https://github.com/usherkit/usher/blob/main/docs/errors/not_found.md","title":"Not found","status":404,"code":"not_found","detail":"No such order.","requestId":"request-1"}
}
