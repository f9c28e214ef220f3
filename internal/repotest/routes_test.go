package repotest

import (
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/usherkit/usher/problem"
)

// routeDoc is a row of the table of routes, with what the code says about it.
type routeDoc struct {
	method, path string
	summary      string // from the table of the README
	// handler is the method of Handlers for the JSON route, or empty, and doc is its comment.
	handler, doc string
	// guard is the function that makes the JSON route of its actions.
	guard string
	// page is the function that makes the page or takes its form, or empty.
	page string
	operation
	// own are the codes for reasons of this route.
	own []problem.Code
}

// everyone are the guards of routes that are open to every client.
var everyone = map[string]bool{"public": true, "startsSession": true, "optionalUser": true, "bearer": true, "publicPage": true, "form": true, "Icon": true}

// signedIn are the other guards, with the clients that they allow.
var signedIn = map[string]string{
	"requiresUser": "a signed-in user", "userPage": "a signed-in user",
	"requiresUserOrReset": "a signed-in user, or the bearer of a reset token",
}

// routeDocs returns the table of routes.
func routeDocs(t *testing.T, source *apiSource) (all []routeDoc) {
	t.Helper()
	summaries := map[string]string{}
	for _, m := range regexp.MustCompile("\\| `([A-Z]+ /[^`]*)` \\|[^|]*\\|[^|]*\\| ([^|]*) \\|").FindAllStringSubmatch(readFile(t, "README.md"), -1) {
		summaries[m[1]] = m[2]
	}
	handlerNames, handlerDocs := map[string]string{}, map[string]string{}
	ast.Inspect(source.file("handlers/routes.go"), func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || row.Type != nil || len(row.Elts) != 4 {
			return true
		}
		path, _ := strconv.Unquote(row.Elts[1].(*ast.BasicLit).Value)
		r := routeDoc{method: map[string]string{"get": "GET", "post": "POST", "patch": "PATCH", "del": "DELETE"}[fmt.Sprint(row.Elts[0])], path: path}
		r.guard, r.page = guardOf(row.Elts[2]), guardOf(row.Elts[3])
		var actions []string
		ast.Inspect(row.Elts[2], func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && fmt.Sprint(s.X) == "a" {
				actions = append(actions, s.Sel.Name)
			}
			return true
		})
		if r.guard == "bearer" {
			actions = append(actions, "SignOutWithoutBearer") // the other half, in addGuards
		}
		if r.operation = source.operation(actions); r.guard != "" {
			r.addCodes()
		}
		all = append(all, r)
		return true
	})
	for _, d := range source.file("handlers/methods.go").Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok {
					route, _ := strconv.Unquote(l.Value)
					handlerNames[route], handlerDocs[route] = f.Name.Name, f.Doc.Text()
				}
				return true
			})
		}
	}
	for i := range all {
		r := &all[i]
		name := r.method + " " + r.path
		r.summary, r.handler, r.doc = summaries[name], handlerNames[name], handlerDocs[name]
		if r.summary == "" || r.guard != "" && r.handler == "" || !everyone[r.guard+r.page] && !everyone[r.guard] && signedIn[r.guard] == "" && signedIn[r.page] == "" {
			t.Errorf("%s is not documented: %+v", name, *r)
		}
	}
	return all
}

// guardOf returns the function of a handler in the table of routes, or "" for nil.
func guardOf(e ast.Expr) string {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return ""
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if inner, ok := f.X.(*ast.SelectorExpr); ok && inner.Sel.Name == "bearer" {
			return "bearer"
		}
		return f.Sel.Name
	}
	return ""
}

// addCodes adds the codes of the chain and of the guard.
func (r *routeDoc) addCodes() {
	for _, code := range problem.Codes() {
		if r.codes[code] && code != problem.Unavailable && !(signedIn[r.guard] != "" && slices.Contains(routine, code)) {
			r.own = append(r.own, code)
		}
	}
	add := func(codes ...problem.Code) {
		for _, c := range codes {
			r.codes[c] = true
		}
	}
	add(problem.Internal)
	if r.guard != "public" { // the errors of the Service say it of the others
		add(problem.Unavailable)
	}
	if r.method != "GET" {
		add(problem.CrossOrigin)
	}
	if r.body != noBody {
		add(problem.InvalidRequest, problem.TooLarge, problem.UnsupportedMediaType)
	}
	if signedIn[r.guard] != "" {
		// Config.Claims may reject the refresh of the cookies.
		add(problem.NotSignedIn, problem.InvalidSession, problem.ImpersonationEnded, problem.CrossOrigin, problem.Rejected)
	}
	if r.guard == "bearer" {
		add(problem.InvalidSession)
	}
}

// who says who may call the route.
func (r *routeDoc) who() string {
	guard := r.guard
	if guard == "" {
		guard = r.page
	}
	if everyone[guard] {
		return "everyone"
	}
	return signedIn[guard]
}

// routine are the codes that a route may answer with for reasons that are not its own.
var routine = []problem.Code{
	problem.Internal, problem.Unavailable, problem.CrossOrigin, problem.InvalidRequest, problem.TooLarge, problem.UnsupportedMediaType,
	problem.NotSignedIn, problem.InvalidSession, problem.ImpersonationEnded, problem.CrossOrigin, problem.Rejected,
}

// The table of all routes is what the code says.
func TestCF06_EachRouteIsDocumented(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString(`# Routes

<!-- Generated from handlers/routes.go, internal/api and the comments of the Service. To change it, change them and run: go test ./internal/repotest -run CF06 -update -->

All paths are relative to the mount, such as ` + "`/auth`" + `. [openapi.json](openapi.json) describes the JSON
routes for tools (OpenAPI 3.1), with each member of a body and each code. The rules that all
routes share are in the documentation of [package handlers](../handlers/doc.go).

- **takes**: the members of the body. Those with a question mark are optional, or depend on others.
- **answers**: the answers to JSON, and the codes for reasons of this route; see [errors](errors/README.md).
  These codes are not repeated for each route:
  - every route: ` + codeLinks(routine[:1]) + `
  - a route that reads or writes the store: ` + codeLinks(routine[1:2]) + `
  - a route that changes something: ` + codeLinks(routine[2:3]) + `
  - a route with a body: ` + codeLinks(routine[3:6]) + `
  - a route that requires a signed-in user: ` + codeLinks(routine[6:]) + `
- **page**: whether ` + "`handlers.Config.Pages`" + ` adds a page there (GET) or takes its form (POST).

| route | what it does | who may call it | takes | answers | page |
| --- | --- | --- | --- | --- | --- |
`)
	source := newAPISource(t)
	all := routeDocs(t, source)
	if len(all) < 40 {
		t.Errorf("only %d routes", len(all))
	}
	for _, r := range all {
		var takes, answers []string
		for _, m := range r.members {
			takes = append(takes, "`"+m.name+"`"+map[bool]string{false: "?"}[m.required])
		}
		for _, status := range slices.Sorted(maps.Keys(r.answers)) {
			var names []string
			for _, a := range r.answers[status] {
				names = append(names, source.show(a))
			}
			answers = append(answers, strings.TrimSpace(fmt.Sprint(status, " ", strings.Join(names, " or "))))
		}
		if len(r.own) > 0 {
			answers = append(answers, codeLinks(r.own))
		}
		page.WriteString(fmt.Sprintf("| `%s %s` | %s | %s | %s | %s | %s |\n", r.method, r.path, r.summary, r.who(),
			strings.Join(takes, ", "), strings.Join(answers, "; "), map[bool]string{true: "✓"}[r.page != ""]))
	}
	checkGenerated(t, "docs/routes.md", page.String())
}

// codeLinks returns links to the pages of the codes.
func codeLinks(codes []problem.Code) string {
	var links []string
	for _, c := range codes {
		links = append(links, fmt.Sprintf("[`%s`](errors/%s.md)", c, c))
	}
	return strings.Join(links, ", ")
}
