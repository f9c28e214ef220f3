package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"github.com/usherkit/usher/ushertest"
)

// document validates requests and answers against docs/openapi.json.
type document struct {
	t         *testing.T
	validator validator.Validator
	// answers are the documented answers: "POST /signin 200", and those with a code,
	// "POST /signin 401 invalid_credentials".
	answers map[string]bool
	// seen are the answers that the program gave.
	seen map[string]bool
}

// openDocument reads the document, and closes its schemas: a member that is not documented
// is an error.
func openDocument(t *testing.T) *document {
	t.Helper()
	b, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	d := &document{t: t, answers: documented(raw), seen: map[string]bool{}}
	closeSchemas(raw)
	if b, err = json.Marshal(raw); err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(b)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithRejectUndeclaredRequestBody())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, problems := v.ValidateDocument(); !ok {
		for _, p := range problems {
			t.Errorf("the document is not OpenAPI: %s", p.Error())
		}
		t.FailNow()
	}
	d.validator = v
	return d
}

// closeSchemas forbids members that are not documented, in every object of a schema that
// lists its members.
func closeSchemas(node any) {
	switch node := node.(type) {
	case map[string]any:
		_, lists := node["properties"].(map[string]any)
		if _, open := node["additionalProperties"]; lists && node["type"] != nil && !open {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeSchemas(child)
		}
	case []any:
		for _, child := range node {
			closeSchemas(child)
		}
	}
}

// documented returns all answers of a document.
func documented(raw map[string]any) map[string]bool {
	all := map[string]bool{}
	for path, operations := range raw["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			for status, response := range operation.(map[string]any)["responses"].(map[string]any) {
				name := fmt.Sprintf("%s %s %s", strings.ToUpper(method), path, status)
				ref, _ := response.(map[string]any)["$ref"].(string)
				if ref == "" {
					all[name] = true
					continue
				}
				for code := range strings.SplitSeq(strings.TrimPrefix(ref, "#/components/responses/"), ".") {
					all[name+" "+code] = true
				}
			}
		}
	}
	return all
}

// check validates an answer, and the request if it succeeded. The path is that of the
// document.
func (d *document) check(r *http.Request, requestBody, path string, w *httptest.ResponseRecorder) {
	d.t.Helper()
	name := fmt.Sprintf("%s %s", r.Method, path)
	body := func() *http.Request {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(strings.NewReader(requestBody))
		return again
	}
	if w.Code < 300 {
		if ok, problems := d.validator.ValidateHttpRequestSync(body()); !ok {
			for _, p := range problems {
				d.t.Errorf("%s: the document does not allow the request %s: %s", name, requestBody, p.Error())
			}
		}
	}
	if ok, problems := d.validator.ValidateHttpResponse(body(), w.Result()); !ok {
		for _, p := range problems {
			d.t.Errorf("%s: the document does not have the answer %d %s: %s", name, w.Code, w.Body, p.Error())
			for _, s := range p.SchemaValidationErrors {
				d.t.Errorf("\t%s: %s", s.FieldPath, s.Reason)
			}
		}
	}
	answer := fmt.Sprintf("%s %d", name, w.Code)
	if w.Code >= 400 {
		var p struct{ Code string }
		if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&p); err != nil {
			d.t.Errorf("%s: %v", answer, err)
		}
		answer += " " + p.Code
	}
	if !d.answers[answer] {
		d.t.Errorf("%s is not documented", answer)
	}
	d.seen[answer] = true
}

// missing returns the documented answers that the program has not given.
func (d *document) missing() (all []string) {
	for _, answer := range slices.Sorted(maps.Keys(d.answers)) {
		if !d.seen[answer] {
			all = append(all, answer)
		}
	}
	return all
}

// Each path has the documented methods, and no other one.
func TestCF06_ThePathsHaveTheDocumentedMethods(t *testing.T) {
	doc := openDocument(t)
	p := start(t, doc, false, ushertest.Config{})
	c, methods := p.signedUp(ann), map[string][]string{}
	for answer := range doc.answers {
		method, path, _ := strings.Cut(answer, " ")
		path, _, _ = strings.Cut(path, " ")
		if methods[path] = append(methods[path], method); method == "GET" {
			methods[path] = append(methods[path], "HEAD")
		}
	}
	for path, has := range methods {
		slices.Sort(has)
		has = slices.Compact(has)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			r := httptest.NewRequest(method, p.URL+"/auth"+strings.Replace(path, "{id}", "x", 1), nil)
			c.authorize(r)
			w := httptest.NewRecorder()
			p.Handler().ServeHTTP(w, r)
			if other := !slices.Contains(has, method); other != (w.Code == 405) || other && w.Header().Get("Allow") != strings.Join(has, ", ") {
				t.Errorf("%s %s: %d, Allow %q, documented are %s", method, path, w.Code, w.Header().Get("Allow"), has)
			}
		}
	}
}
