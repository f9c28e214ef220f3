package problem_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/usherkit/usher/problem"
)

// document writes p in answer to a request, and returns the answer and its body.
func document(t *testing.T, p problem.Problem) (*httptest.ResponseRecorder, problem.Problem) {
	t.Helper()
	w := httptest.NewRecorder()
	problem.Write(w, httptest.NewRequest(http.MethodGet, "/", nil), p)
	var got problem.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w, got
}

func TestEveryCodeMakesACompleteDocument(t *testing.T) {
	t.Parallel()
	types := map[string]bool{}
	for _, code := range problem.Codes() {
		w, p := document(t, problem.Problem{Code: code})
		if w.Code != p.Status || p.Status < 400 || http.StatusText(p.Status) == "" {
			t.Errorf("%s: status is %d, in the document %d", code, w.Code, p.Status)
		}
		if p.Type != "https://github.com/usherkit/usher/blob/main/docs/errors/"+string(code)+".md" || types[p.Type] || p.Title == "" || p.Detail == "" || p.Code != code {
			t.Errorf("%s: document is %+v", code, p)
		}
		types[p.Type] = true
		if p.RequestID == "" || p.RequestID != w.Header().Get(problem.RequestIDHeader) {
			t.Errorf("%s: request id is %q, in the header %q", code, p.RequestID, w.Header().Get(problem.RequestIDHeader))
		}
		for name, want := range map[string]string{
			"Content-Type": "application/problem+json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q", code, name, got)
			}
		}
	}
}

func TestACodeOfTheProgram(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want problem.Problem }{
		"status alone": {
			problem.Problem{Code: "out_of_stock", Status: 409},
			problem.Problem{Code: "out_of_stock", Status: 409, Type: "about:blank", Title: "Conflict"},
		},
		"no status": {problem.Problem{Code: "x"}, problem.Problem{Code: "x", Status: 500, Type: "about:blank", Title: "Internal Server Error"}},
		"all of it": {
			problem.Problem{Code: "x", Status: 402, Type: "https://example.com/x", Title: "a", Detail: "b", RequestID: "c"},
			problem.Problem{Code: "x", Status: 402, Type: "https://example.com/x", Title: "a", Detail: "b", RequestID: "c"},
		},
		"another text": {
			problem.Problem{Code: problem.NotFound, Detail: "No such order."},
			problem.Problem{Code: problem.NotFound, Status: 404, Type: "https://github.com/usherkit/usher/blob/main/docs/errors/not_found.md", Title: "Not found", Detail: "No such order."},
		},
	} {
		w, got := document(t, c.in)
		if c.want.RequestID == "" {
			got.RequestID = ""
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || w.Code != c.want.Status {
			t.Errorf("%s: %d %+v, want %+v", name, w.Code, got, c.want)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	id := func(outer, client string) string {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		w.Header().Set(problem.RequestIDHeader, outer)
		r.Header.Set(problem.RequestIDHeader, client)
		got := problem.RequestID(w, r)
		if again := problem.RequestID(w, r); again != got || w.Header().Get(problem.RequestIDHeader) != got {
			t.Errorf("the id is %q and then %q, in the header %q", got, again, w.Header().Get(problem.RequestIDHeader))
		}
		return got
	}
	if got := id("outer", "client"); got != "outer" {
		t.Errorf("an outer handler's id gives %q", got)
	}
	if got := id("", "A-z_0.9"); got != "A-z_0.9" {
		t.Errorf("the client's id gives %q", got)
	}
	for _, bad := range []string{"", " ", "a b", "a\n", "\na", "ä", "{}", strings.Repeat("a", 65), strings.Repeat("a", 1<<20), "a\u2028"} {
		if got := id(bad, bad); got == bad || len(got) < 16 || len(got) > 64 {
			t.Errorf("%.20q gives %.20q", bad, got)
		}
		if got := id(bad, "client"); got != "client" {
			t.Errorf("%.20q before the client's gives %.20q", bad, got)
		}
	}
}

// A route of the program answers with a problem document.
func Example() {
	order := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.Problem{Code: problem.NotFound, Detail: "No such order."})
	})
	r := httptest.NewRequest(http.MethodGet, "/orders/7", nil)
	r.Header.Set("X-Request-Id", "request-1")
	w := httptest.NewRecorder()
	order.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 404 {"type":"https://github.com/usherkit/usher/blob/main/docs/errors/not_found.md","title":"Not found","status":404,"code":"not_found","detail":"No such order.","requestId":"request-1"}
}
