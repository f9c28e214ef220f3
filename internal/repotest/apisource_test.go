package repotest

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/usherkit/usher/problem"
)

// operation is what the actions of a route take and answer.
type operation struct {
	body    bodyKind
	members []member
	answers map[int][]answer
	codes   map[problem.Code]bool
}

type bodyKind int

const (
	noBody bodyKind = iota
	optionalBody
	requiredBody
)

// member is a member of a body. Members of an object in it have a name with a dot.
type member struct {
	name, kind, doc string
	required        bool
}

// answer is a body of an answer. The name is that of its schema, or empty for a struct
// without a name.
type answer struct {
	name string
	typ  ast.Expr
}

// memberDocs describes the members that are no field of the parameters of a method.
var memberDocs = map[string]string{
	"rememberMe":   "false ends the session with the browser. Defaults to handlers.Config.EndWithBrowser.",
	"deviceToken":  "The newest device token of this client, on a mount without cookies.",
	"refreshToken": "The refresh token of the session, on a mount without cookies.",
	"token":        "The one-time token of the emailed link. Required.",
	"user":         "The profile of the new user.",
	"fields":       "The values of usher.Config.SignUpFields by name.",
}

// handled are the calls whose errors an action handles itself.
var handled = []string{"HasPassword", "ReissueSessionToken", "ValidateRefresh"}

// apiSource is the source of the JSON routes.
type apiSource struct {
	t *testing.T
	// funcs are the functions of internal/api, and those of internal/visit whose errors are
	// returned.
	funcs map[string]*ast.FuncDecl
	// structs are the structs of internal/api, and those of other packages by qualified name.
	structs map[string]*ast.StructType
	// service has the comments of the methods of usher.Service.
	service map[string]string
	// codes are the codes of the errors, as in internal/route/errors.go.
	codes map[string][]problem.Code
}

func newAPISource(t *testing.T) *apiSource {
	t.Helper()
	s := &apiSource{t, map[string]*ast.FuncDecl{}, map[string]*ast.StructType{}, map[string]string{}, map[string][]problem.Code{
		"FieldError": {problem.InvalidRequest}, "InputErrors": {problem.InvalidRequest}, "PolicyError": {problem.PasswordPolicy},
		"LimitError": {problem.TooManyRequests}, "Rejection": {problem.Rejected}, "EmailProofError": {problem.EmailProofRequired},
		"BreachedPasswordError": {problem.PasswordBreached}, "ErrNotInTenant": {problem.Forbidden},
		"Claims": {problem.Rejected}, "SignUpRule": {problem.Rejected}, // of the program
	}}
	for _, dir := range []string{"internal/visit", "internal/api"} {
		files, _ := filepath.Glob(dir + "/*.go")
		for _, path := range files {
			for _, d := range s.file(path).Decls {
				f, ok := d.(*ast.FuncDecl)
				if ok && (dir == "internal/api" || slices.Contains([]string{"Reauthenticate", "RefreshToken", "EndCookieSession"}, f.Name.Name)) {
					s.funcs[f.Name.Name] = f
				}
			}
		}
	}
	for prefix, dir := range map[string]string{"": "internal/api", "usher.": ".", "store.": "store", "token.": "token", "problem.": "problem"} {
		p := packageDoc(t, dir, doc.AllDecls)
		for _, typ := range p.Types {
			s.addStruct(prefix, typ)
			for _, m := range typ.Methods {
				if prefix == "usher." && typ.Name == "Service" {
					s.service[m.Name] = oneLine(m.Doc)
				}
			}
		}
	}
	s.structs["usher.Profile"] = s.structs["store.Profile"]
	constants := map[string]problem.Code{}
	for code, d := range codeDocs(t) {
		constants[d.constant] = code
	}
	ast.Inspect(s.file("internal/route/errors.go"), func(n ast.Node) bool {
		if row, ok := n.(*ast.CompositeLit); ok && row.Type == nil && len(row.Elts) == 2 {
			_, key, _ := strings.Cut(selector(row.Elts[0]), ".")
			_, code, _ := strings.Cut(selector(row.Elts[1]), ".")
			s.codes[key] = []problem.Code{constants[code]}
		}
		return true
	})
	return s
}

func (s *apiSource) addStruct(prefix string, typ *doc.Type) {
	for _, spec := range typ.Decl.Specs {
		if st, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
			s.structs[prefix+typ.Name] = st
		}
	}
}

// file returns the syntax of a file.
func (s *apiSource) file(path string) *ast.File {
	s.t.Helper()
	logRoot()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// selector returns an expression such as usher.ErrConflict as text, or "".
func selector(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return selector(e.X) + "." + e.Sel.Name
	}
	return ""
}

// operation returns what the actions take and answer.
func (s *apiSource) operation(actions []string) operation {
	op := operation{answers: map[int][]answer{}, codes: map[problem.Code]bool{}}
	seen := map[string]bool{}
	for _, action := range actions {
		s.walk(&op, action, "", seen)
	}
	for i, m := range op.members {
		op.members[i].required = regexp.MustCompile(`\bRequired\.$`).MatchString(m.doc)
		op.members[i].doc = strings.TrimSuffix(strings.TrimSuffix(m.doc, " Required."), "Required.")
	}
	return op
}

var statuses = map[string]int{"StatusOK": 200, "StatusCreated": 201, "StatusAccepted": 202, "StatusNoContent": 204, "StatusNotModified": 304}

// walk adds what a function takes and answers. Its object is the member with that prefix.
func (s *apiSource) walk(op *operation, name, prefix string, seen map[string]bool) {
	f := s.funcs[name]
	if f == nil || seen[name+prefix] {
		return
	}
	seen[name+prefix] = true
	objects, bodies, docs := map[string]string{}, map[string]ast.Expr{}, map[ast.Expr]string{}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if i < len(n.Rhs) {
					bodies[fmt.Sprint(left)] = n.Rhs[i]
					if call, ok := n.Rhs[i].(*ast.CallExpr); ok && strings.HasSuffix(selector(call.Fun), ".object") {
						objects[fmt.Sprint(left)] = unquoted(call.Args[0]) + "."
					}
				}
			}
		case *ast.ValueSpec:
			bodies[n.Names[0].Name] = &ast.CompositeLit{Type: n.Type}
		case *ast.CompositeLit:
			s.describe(n, docs)
		case *ast.ReturnStmt:
			ast.Inspect(n, func(n ast.Node) bool {
				if e, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(e.Sel.Name, "Err") {
					s.addCodes(op, "["+e.Sel.Name+"]")
				}
				return true
			})
		case *ast.CallExpr:
			s.call(op, n, prefix+objects[receiver(n)], docs[n], bodies, name, seen)
		}
		return true
	})
}

// receiver returns the variable whose method is called, or "".
func receiver(call *ast.CallExpr) string {
	if f, ok := call.Fun.(*ast.SelectorExpr); ok {
		return selector(f.X)
	}
	return ""
}

func unquoted(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	text, _ := strconv.Unquote(l.Value)
	return text
}

// describe records the comments of the parameters to which the members of a body go.
func (s *apiSource) describe(lit *ast.CompositeLit, docs map[ast.Expr]string) {
	params := s.structs[selector(lit.Type)]
	if params == nil {
		return
	}
	comments, text, names := map[string]string{}, "", map[string]string{}
	for _, f := range params.Fields.List {
		if f.Doc != nil {
			text = oneLine(f.Doc.Text())
		}
		for _, n := range f.Names {
			comments[n.Name] = text
		}
	}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if call, ok := kv.Value.(*ast.CallExpr); ok && len(call.Args) == 1 {
				names[selector(kv.Key)] = unquoted(call.Args[0])
				docs[call] = comments[selector(kv.Key)]
			}
		}
	}
	// The comments name the fields. A client knows the members.
	for call, text := range docs {
		docs[call] = regexp.MustCompile(`\[?[\w.]+\]?`).ReplaceAllStringFunc(text, func(word string) string {
			if name, ok := names[word]; ok {
				return name
			}
			return strings.Trim(word, "[]")
		})
	}
}

// call adds what a call takes and answers.
func (s *apiSource) call(op *operation, call *ast.CallExpr, prefix, doc string, bodies map[string]ast.Expr, action string, seen map[string]bool) {
	full := selector(call.Fun)
	name := full[strings.LastIndex(full, ".")+1:]
	status := func(i int) int {
		_, code, _ := strings.Cut(selector(call.Args[i]), ".")
		return statuses[code]
	}
	switch name {
	case "decode":
		op.body = requiredBody
	case "decodeOptional":
		op.body = max(op.body, optionalBody)
	case "text", "secret", "optional", "object", "fields":
		kind := map[string]string{"object": "object", "fields": "map"}[name]
		if member := unquoted(call.Args[0]); member != "" {
			op.addMember(prefix+member, kind, doc)
		}
		return
	case "endWithBrowser":
		op.addMember("rememberMe", "boolean", doc)
		return
	case "writeJSON":
		op.addAnswer(status(1), bodyType(call.Args[2], bodies))
	case "WriteHeader":
		if code := status(0); code == 204 || code == 304 {
			op.answers[code] = nil
		} else if body := bodies["body"]; body != nil {
			op.addAnswer(code, bodyType(body, bodies))
		} else {
			op.addAnswer(code, ast.NewIdent(action)) // made by the Service
		}
	case "writeSession", "writeTokens":
		op.addAnswer(status(1), ast.NewIdent("authenticationJSON"))
		return
	case "writeResult":
		s.addResults(op, action, status(1))
		return
	case "CheckOrigin":
		op.codes[problem.CrossOrigin] = true
	}
	if strings.Contains(strings.ToLower(full), "service.") && !slices.Contains(handled, name) {
		_, errs, _ := strings.Cut(s.service[name], "Errors:")
		// The guards pass a reset session only to POST /password/update.
		s.addCodes(op, regexp.MustCompile(`\[ErrForbidden\] in\s+a\s+reset\s+session;`).ReplaceAllString(errs, ""))
	}
	if name != "writeJSON" && !strings.HasPrefix(name, "decode") {
		s.walk(op, name, prefix, seen)
	}
}

// addResults adds the answers to the results of the method of the Service, whose comment
// names them.
func (s *apiSource) addResults(op *operation, action string, status int) {
	for _, next := range regexp.MustCompile(`\[Next(\w+)\]`).FindAllStringSubmatch(s.service[action], -1) {
		switch next[1] {
		case "SignedIn":
			op.addAnswer(status, ast.NewIdent("authenticationJSON"))
		case "ConfirmEmail":
			op.addAnswer(202, ast.NewIdent("notice"))
		case "SignIn":
			op.addAnswer(200, bodyType(s.localBody("NextSignIn"), nil))
		case "HasAccount":
			op.addAnswer(200, bodyType(s.localBody("NextHasAccount"), nil))
		default:
			s.t.Errorf("internal/api answers %s, which the documentation of the routes does not know", next[0])
		}
	}
}

// localBody returns the struct in writeResult for a next step.
func (s *apiSource) localBody(next string) (body ast.Expr) {
	ast.Inspect(s.funcs["writeResult"].Body, func(n ast.Node) bool {
		if c, ok := n.(*ast.CaseClause); ok && len(c.List) == 1 && selector(c.List[0]) == "usher."+next {
			for _, stmt := range c.Body {
				ast.Inspect(stmt, func(n ast.Node) bool {
					if st, ok := n.(*ast.StructType); ok {
						body = st
					}
					return true
				})
			}
		}
		return true
	})
	return body
}

// bodyType returns the type of the body of an answer.
func bodyType(e ast.Expr, bodies map[string]ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.CompositeLit:
		return e.Type
	case *ast.Ident:
		if bodies[e.Name] != nil {
			return bodyType(bodies[e.Name], nil)
		}
	}
	return e
}

func (op *operation) addMember(name, kind, doc string) {
	if doc == "" {
		doc = memberDocs[name]
	}
	if !slices.ContainsFunc(op.members, func(m member) bool { return m.name == name }) {
		op.members = append(op.members, member{name: name, kind: kind, doc: doc})
	}
}

func (op *operation) addAnswer(status int, typ ast.Expr) {
	a := answer{typ: typ}
	if id, ok := typ.(*ast.Ident); ok {
		a.name = schemaName(id.Name)
	}
	if !slices.ContainsFunc(op.answers[status], func(b answer) bool { return a.name == b.name && a.name != "" }) {
		op.answers[status] = append(op.answers[status], a)
	}
}

// schemaName returns the name of the schema of a type.
func schemaName(typ string) string {
	typ = strings.TrimSuffix(typ[strings.LastIndex(typ, ".")+1:], "JSON")
	return strings.ToUpper(typ[:1]) + typ[1:]
}

// addCodes adds the codes of the errors that a comment names.
func (s *apiSource) addCodes(op *operation, comment string) {
	for _, m := range regexp.MustCompile(`\[\*?(?:[\w]+\.)?(\w+)\]`).FindAllStringSubmatch(comment, -1) {
		for _, code := range s.codes[m[1]] {
			op.codes[code] = true
		}
	}
	for _, m := range regexp.MustCompile(`those of \[?(?:Service\.)?(\w+)\]?`).FindAllStringSubmatch(comment, -1) {
		_, errs, _ := strings.Cut(s.service[m[1]], "Errors:")
		s.addCodes(op, errs)
	}
}
