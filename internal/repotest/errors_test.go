package repotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/ushertest"
)

const errorPages = "docs/errors"

// codeDoc is the comment of a constant of package problem.
type codeDoc struct {
	constant string
	// when says when the code occurs, and begins with "means that". answer describes what is
	// particular about the answer, or is empty. client says what the client does.
	when, answer, client string
}

// codeDocs returns the comment of each code.
func codeDocs(t *testing.T) map[problem.Code]codeDoc {
	t.Helper()
	form := regexp.MustCompile(`^(\w+) (means that .+) \[(\d{3})\]\.(?: (.+))?$`)
	all := map[problem.Code]codeDoc{}
	for _, typ := range packageDoc(t, "problem", 0).Types {
		for _, group := range typ.Consts {
			for _, spec := range group.Decl.Specs {
				v := spec.(*ast.ValueSpec)
				name := v.Names[0].Name
				code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				first, client, _ := strings.Cut(strings.TrimSpace(v.Doc.Text()), "\n\n")
				m := form.FindStringSubmatch(oneLine(first))
				if m == nil || m[1] != name || client == "" {
					t.Errorf("problem.%s: the comment does not have the form \"%s means that … [status].\" and a paragraph about the client", name, name)
					continue
				}
				if m[3] != strconv.Itoa(problem.Code(code).Status()) {
					t.Errorf("problem.%s: the comment says %s, and the table says %d", name, m[3], problem.Code(code).Status())
				}
				all[problem.Code(code)] = codeDoc{constant: name, when: m[2], answer: memberNames(m[4]), client: memberNames(oneLine(client))}
			}
		}
	}
	return all
}

// oneLine returns the text of a comment in one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// memberNames writes the fields of problem.Problem in a comment as the members of a document.
func memberNames(text string) string {
	text = strings.NewReplacer("Fields", "`fields`", "Detail", "`detail`", "RequestID", "`requestId`").Replace(text)
	return regexp.MustCompile(`\b(?:GET|POST) /[a-z/]+|(?:WWW-Authenticate|Retry-After|Allow|X-Requested-With) header|error="\w+"|usher\.Operator\.\w+|handlers\.Config\.\w+|application/json|currentPassword`).
		ReplaceAllStringFunc(text, func(name string) string {
			name, header := strings.CutSuffix(name, " header")
			if header {
				return "`" + name + "` header"
			}
			return "`" + name + "`"
		})
}

// Each code has a page, to which its type leads, and a row in the table of codes. They say
// what the comments of the constants and the handlers say.
func TestCF06_EachErrorCodeHasAPage(t *testing.T) {
	t.Parallel()
	docs, answers := codeDocs(t), exampleAnswers(t)
	var table strings.Builder
	table.WriteString(`# Error codes

<!-- Generated from problem/codes.go. To change it, change the comments there and run: go test ./internal/repotest -run CF06 -update -->

Every error is a problem document (RFC 9457) with the Content-Type
` + "`application/problem+json`" + `. A client decides by ` + "`code`" + `, which is stable. ` + "`title` and `detail`" + ` are
for people, and are in the language of the client. ` + "`type`" + ` is the address of the page of the code.
` + "`requestId`" + ` names the request in the log. ` + "`fields`" + ` lists the inputs that are wrong, each with
` + "`field`, `code` and `detail`" + `, and is left out if there are none. Other members are none of Usher's.

A program answers with the same codes, or with codes of its own, by
[` + "`problem.Write`" + `](../../problem/problem.go). [routes.md](../routes.md) lists the codes of each route.

| code | status | title | it means that |
| --- | --- | --- | --- |
`)
	want := []string{filepath.Join(errorPages, "README.md")}
	for _, code := range problem.Codes() {
		d, ok := docs[code]
		if !ok {
			t.Errorf("package problem has no constant for the code %s", code)
			continue
		}
		name := string(code) + ".md"
		fmt.Fprintf(&table, "| [`%s`](%s) | %d | %s | %s |\n", code, name, code.Status(), code.Title(), strings.TrimPrefix(d.when, "means that "))
		page := filepath.Join(errorPages, name)
		if code.Type() != "https://"+module+"/blob/main/"+filepath.ToSlash(page) {
			t.Errorf("the type of %s is %s, which is not the address of %s", code, code.Type(), page)
		}
		want = append(want, page)
		checkGenerated(t, page, errorPage(t, code, d, answers[code]))
	}
	checkGenerated(t, want[0], table.String())
	slices.Sort(want)
	if found, err := filepath.Glob(errorPages + "/*"); err != nil || !*update && !slices.Equal(found, want) {
		t.Errorf("%s has %v, want %v: %v", errorPages, found, want, err)
	}
}

// errorPage returns the page of a code.
func errorPage(t *testing.T, code problem.Code, d codeDoc, answer *httptest.ResponseRecorder) string {
	t.Helper()
	if answer == nil || answer.Code != code.Status() {
		t.Errorf("%s has no example: %+v", code, answer)
		return ""
	}
	var p problem.Problem
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || p.Code != code {
		t.Errorf("the example of %s is %s: %v", code, answer.Body, err)
	}
	var body bytes.Buffer
	if err := json.Indent(&body, bytes.TrimSpace(answer.Body.Bytes()), "", "  "); err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "# `%s`: %s\n\n<!-- Generated from problem/codes.go. To change it, change the comments there and run: go test ./internal/repotest -run CF06 -update -->\n\n", code, code.Title())
	fmt.Fprintf(&page, "Status %d (%s). In Go: `problem.%s`. All codes: [README.md](README.md).\n\n", code.Status(), http.StatusText(code.Status()), d.constant)
	fmt.Fprintf(&page, "The code %s.\n", d.when)
	if d.answer != "" {
		fmt.Fprintf(&page, "%s\n", d.answer)
	}
	fmt.Fprintf(&page, "\n## What the client does\n\n%s\n\n## Example\n\n", d.client)
	fmt.Fprintf(&page, "```http\nHTTP/1.1 %d %s\n", code.Status(), http.StatusText(code.Status()))
	for _, name := range []string{"Content-Type", "X-Request-Id", "Allow", "Retry-After", "WWW-Authenticate"} {
		if value := answer.Header().Get(name); value != "" {
			fmt.Fprintf(&page, "%s: %s\n", name, value)
			if part, ok := map[string]string{"Allow": "`Allow`", "Retry-After": "`Retry-After`", "WWW-Authenticate": "`WWW-Authenticate`"}[name]; ok && !strings.Contains(d.answer, part) {
				t.Errorf("the comment of problem.%s does not name the header %s", d.constant, name)
			}
		}
	}
	if len(p.Fields) > 0 && !strings.Contains(d.answer, "`fields`") {
		t.Errorf("the comment of problem.%s does not name Fields", d.constant)
	}
	fmt.Fprintf(&page, "\n%s\n```\n", &body)
	return page.String()
}

// exampleAnswers returns an answer of the handlers with each code.
func exampleAnswers(t *testing.T) map[problem.Code]*httptest.ResponseRecorder {
	t.Helper()
	var h *handlers.Handlers
	app := ushertest.New(t, ushertest.Config{Program: func(service *usher.Service) http.Handler {
		h = usher.Must(handlers.New(service, handlers.Config{Logger: slog.New(slog.DiscardHandler)}))
		mux := http.NewServeMux()
		mux.Handle("/auth/", h)
		return mux
	}})
	serve := func(handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.Header.Set(problem.RequestIDHeader, "example")
		handler.ServeHTTP(w, r)
		return w
	}
	request := func(user, method, path, body string) *httptest.ResponseRecorder {
		return serve(app.Handler(), app.Request(user, method, path, strings.NewReader(body)))
	}
	fail := func(err error) *httptest.ResponseRecorder {
		return serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.Fail(w, r, err) }), httptest.NewRequest(http.MethodPost, "/", nil))
	}
	form := app.Request("", http.MethodPost, "/auth/signin", strings.NewReader("a=b"))
	form.Header.Set("Content-Type", "text/plain")
	bearer := app.Request("", http.MethodGet, "/auth/me", nil)
	bearer.Header.Set("Authorization", "Bearer expired")
	old := app.Request("ann@example.com", http.MethodGet, "/", nil)
	app.Clock.Add(6 * time.Minute)
	page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return map[problem.Code]*httptest.ResponseRecorder{
		problem.InvalidRequest:       request("", http.MethodPost, "/auth/signin", `{"loginId":"ann@example.com"}`),
		problem.PasswordPolicy:       request("", http.MethodPost, "/auth/signup", `{"loginId":"bob@example.com","password":"short"}`),
		problem.InvalidToken:         request("", http.MethodPost, "/auth/password/reset/verify", `{"token":"used"}`),
		problem.InvalidCode:          fail(usher.ErrInvalidCode),
		problem.InvalidCredentials:   request("", http.MethodPost, "/auth/signin", `{"loginId":"ann@example.com","password":"wrong"}`),
		problem.NotSignedIn:          request("", http.MethodGet, "/auth/me", ""),
		problem.InvalidSession:       serve(app.Handler(), bearer),
		problem.ImpersonationEnded:   fail(visit.ErrImpersonationEnded),
		problem.RecentSignInRequired: serve(h.RequireRecent(5*time.Minute)(page), old),
		problem.PasswordExpired:      fail(usher.ErrPasswordExpired),
		problem.PasswordBreached:     fail(&usher.BreachedPasswordError{ByEmail: true}),
		problem.UserDisabled:         fail(usher.ErrUserDisabled),
		problem.PasswordRequired:     fail(usher.ErrPasswordRequired),
		problem.EmailProofRequired:   fail(&usher.EmailProofError{}),
		problem.SignUpClosed:         fail(usher.ErrSignUpClosed),
		problem.Forbidden:            serve(h.RequireRole("admin")(page), app.Request("ann@example.com", http.MethodGet, "/", nil)),
		problem.EmailNotVerified:     fail(usher.ErrEmailNotVerified),
		problem.CrossOrigin:          fail(middleware.ErrCrossOrigin),
		problem.NotFound:             request("", http.MethodGet, "/auth/orders", ""),
		problem.MethodNotAllowed:     request("", http.MethodGet, "/auth/signin", ""),
		problem.LoginIDTaken:         request("", http.MethodPost, "/auth/signup", `{"loginId":"ann@example.com","password":"calm heron reads maps"}`),
		problem.Conflict:             fail(usher.ErrConflict),
		problem.TooLarge:             request("", http.MethodPost, "/auth/signin", `{"loginId":"`+strings.Repeat("a", 1<<14)+`"}`),
		problem.UnsupportedMediaType: serve(app.Handler(), form),
		problem.Rejected:             fail(&usher.Rejection{Code: "no_seats", Field: "fields.company", Message: "The company has no free seats."}),
		problem.TooManyRequests:      fail(&usher.LimitError{RetryAfter: 30 * time.Second}),
		problem.Internal:             fail(errors.New("the disk is full")),
		problem.Unavailable:          fail(usher.ErrUnavailable),
	}
}
