package repotest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/usherkit/usher/problem"
)

// object is a JSON object. Its members are in alphabetical order.
type object = map[string]any

// schema returns the JSON schema of a type, and adds the types that it names to the
// components.
func (s *apiSource) schema(typ ast.Expr, components object) object {
	switch typ := typ.(type) {
	case *ast.StructType:
		return s.structSchema(typ, "", components, 0)
	case *ast.ArrayType:
		return object{"type": "array", "items": s.schema(typ.Elt, components)}
	case *ast.MapType:
		return object{"type": "object", "additionalProperties": s.schema(typ.Value, components)}
	case *ast.StarExpr:
		return s.schema(typ.X, components)
	}
	name := selector(typ)
	switch name {
	case "string", "usher.EventName", "Code":
		return object{"type": "string"}
	case "bool":
		return object{"type": "boolean"}
	case "int", "int64":
		return object{"type": "integer"}
	case "any":
		return object{}
	case "time.Time":
		return object{"type": "string", "format": "date-time"}
	case "Keys", "Revocations":
		return object{"$ref": "#/components/schemas/" + name}
	}
	prefix := ""
	if s.structs[name] == nil && s.structs["problem."+name] != nil {
		name = "problem." + name
	}
	if i := strings.Index(name, "."); i > 0 {
		prefix = name[:i+1]
	}
	if s.structs[name] == nil {
		s.t.Fatalf("the type %s has no schema", types.ExprString(typ))
	}
	short := schemaName(name)
	if prefix == "problem." && short == "Field" {
		short = "ProblemField"
	}
	if components[short] == nil {
		components[short] = object{} // ends a recursion
		components[short] = s.structSchema(s.structs[name], prefix, components, 0)
	}
	return object{"$ref": "#/components/schemas/" + short}
}

// structSchema returns the schema of a struct that is embedded that deep in another one.
func (s *apiSource) structSchema(st *ast.StructType, prefix string, components object, depth int) object {
	properties, required := object{}, []string{}
	for _, f := range st.Fields.List {
		if len(f.Names) == 0 {
			typ, pointer := f.Type.(*ast.StarExpr)
			embedded := f.Type
			if pointer {
				if embedded = typ.X; depth > 0 {
					continue // such as the tokens of a session in an answer without tokens
				}
			}
			inner := s.structSchema(s.structs[selector(embedded)], prefix, components, depth+1)
			maps.Copy(properties, inner["properties"].(object))
			if !pointer {
				required = append(required, inner["required"].([]string)...)
			}
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value)
		name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		property := s.schema(f.Type, components)
		if text := oneLine(f.Doc.Text() + f.Comment.Text()); text != "" {
			if rest, ok := strings.CutPrefix(text, f.Names[0].Name+" "); ok {
				text = name + " " + rest
			}
			property["description"] = regexp.MustCompile(` ?Defaults to .*| ?Required\.$`).ReplaceAllString(text, "")
		}
		properties[name] = property
		if options == "" {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return object{"type": "object", "properties": properties, "required": required}
}

// show returns an answer for the table of routes: the name of its schema or its members.
func (s *apiSource) show(a answer) string {
	if a.name != "" && a.name != "Empty" {
		return a.name
	}
	schema := s.structSchema(s.structs["empty"], "", object{}, 0)
	if a.name == "" {
		schema = s.schema(a.typ, object{})
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(schema["properties"].(object))) {
		if !slices.Contains(schema["required"].([]string), name) {
			name += "?"
		}
		members = append(members, name)
	}
	return "`{" + strings.Join(members, ", ") + "}`"
}

// requestSchema returns the schema of the body of a request.
func requestSchema(members []member) object {
	schema := object{"type": "object", "properties": object{}, "required": []string{}}
	for _, m := range members {
		owner, name, nested := strings.Cut(m.name, ".")
		into := schema
		if nested {
			into = schema["properties"].(object)[owner].(object)
		} else {
			name = m.name
		}
		property := object{}
		switch m.kind {
		case "boolean":
			property["type"] = []string{"boolean", "null"}
		case "map":
			property["type"], property["additionalProperties"] = []string{"object", "null"}, object{"type": []string{"string", "boolean"}}
		case "object":
			property["type"], property["properties"], property["required"] = []string{"object", "null"}, object{}, []string{}
		default:
			property["type"] = []string{"string", "null"}
		}
		if m.required {
			property["type"] = property["type"].([]string)[0]
			into["required"] = append(into["required"].([]string), name)
		}
		if m.doc != "" {
			property["description"] = m.doc
		}
		into["properties"].(object)[name] = property
	}
	return schema
}

// docText returns the comment of a method of Handlers for readers of the wire.
func docText(text string) string {
	return regexp.MustCompile(`\[(?:Handlers\.)?([A-Z][\w.]+|usher\.[\w.]+)\]`).ReplaceAllString(strings.TrimSpace(text), "$1")
}

// The OpenAPI document is what the code says. Module proof/openapi compares it with the
// answers of a running program.
func TestCF06_TheOpenAPIDocumentIsThatOfTheRoutes(t *testing.T) {
	t.Parallel()
	source := newAPISource(t)
	schemas, errors, paths := object{}, object{}, object{}
	source.schema(ast.NewIdent("problem.Problem"), schemas)
	schemas["Keys"] = object{
		"type": "object", "description": "A JWK Set (RFC 7517).", "required": []string{"keys"},
		"properties": object{"keys": object{"type": "array", "items": object{"type": "object", "required": []string{"kty", "kid", "alg", "use"}, "additionalProperties": true}}},
	}
	schemas["Revocations"] = object{
		"type": "object", "required": []string{"revocations"},
		"properties": object{"revocations": object{"type": "array", "items": object{
			"type": "object", "required": []string{"sid", "until"},
			"properties": object{"sid": object{"type": "string"}, "until": object{"type": "integer", "description": "seconds since 1970"}},
		}}},
	}
	docs := codeDocs(t)
	for _, r := range routeDocs(t, source) {
		if r.guard == "" {
			continue
		}
		if paths[r.path] == nil {
			paths[r.path] = object{}
		}
		paths[r.path].(object)[strings.ToLower(r.method)] = source.operationObject(r, schemas, errors, docs)
	}
	_, changes, _ := strings.Cut(readFile(t, "CHANGELOG.md"), "\n## ")
	version, _, _ := strings.Cut(changes, "\n")
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Usher", "version": version, "license": object{"name": "MIT", "identifier": "MIT"},
			"description": "The JSON routes of a mount of package handlers. A mount with cookies keeps the tokens in them, and they are in no body. " +
				"On a mount without cookies, answers with tokens have sessionToken, refreshToken, expiresIn and deviceToken. " +
				"Another client than a browser that is authenticated by a cookie sends an X-Requested-With header with each request that changes something. " +
				"Generated from the code by go test ./internal/repotest -run CF06 -update.",
		},
		"servers": []object{{"url": "/auth", "description": "The default mount. A program may choose another path."}},
		"paths":   paths,
		"components": object{
			"schemas": schemas, "responses": errors,
			"securitySchemes": object{
				"token":  object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The session token (RFC 6750), on a mount without cookies and beside cookies."},
				"cookie": object{"type": "apiKey", "in": "cookie", "name": "__Host-session", "description": "The cookie with both tokens. cookies.Config.Name may change its name."},
			},
		},
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		t.Fatal(err)
	}
	checkGenerated(t, "docs/openapi.json", b.String())
}

// operationObject returns the OpenAPI object of a JSON route.
func (s *apiSource) operationObject(r routeDoc, schemas, errors object, docs map[problem.Code]codeDoc) object {
	op := object{
		"operationId": strings.ToLower(r.handler[:1]) + r.handler[1:], "summary": r.summary, "description": docText(r.doc),
		"security": []object{},
	}
	switch session := []object{{"token": []string{}}, {"cookie": []string{}}}; {
	case signedIn[r.guard] != "":
		op["security"] = session
	case r.guard == "optionalUser", r.guard == "bearer":
		op["security"] = append([]object{{}}, session...)
	}
	if name, ok := strings.CutPrefix(r.path[strings.LastIndex(r.path, "/")+1:], "{"); ok {
		op["parameters"] = []object{{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}}}
	}
	if r.body != noBody {
		op["requestBody"] = object{"required": r.body == requiredBody, "content": object{"application/json": object{"schema": requestSchema(r.members)}}}
	}
	responses := object{}
	for status, answers := range r.answers {
		response := object{"description": http.StatusText(status)}
		var bodies []object
		for _, a := range answers {
			bodies = append(bodies, s.schema(a.typ, schemas))
		}
		media := "application/json"
		if r.handler == "Keys" {
			media = "application/jwk-set+json"
		}
		switch len(bodies) {
		case 0:
		case 1:
			response["content"] = object{media: object{"schema": bodies[0]}}
		default:
			response["content"] = object{media: object{"schema": object{"anyOf": bodies}}}
		}
		responses[strconv.Itoa(status)] = response
	}
	byStatus := map[int][]problem.Code{}
	for _, code := range problem.Codes() {
		if r.codes[code] {
			byStatus[code.Status()] = append(byStatus[code.Status()], code)
		}
	}
	for status, codes := range byStatus {
		var texts []string
		for _, code := range codes {
			texts = append(texts, fmt.Sprintf("- [%s](%s): it %s.", code, code.Type(), docs[code].when))
		}
		response := object{
			"description": strings.Join(texts, "\n"),
			"content": object{"application/problem+json": object{"schema": object{
				"allOf": []object{{"$ref": "#/components/schemas/Problem"}, {"properties": object{"code": object{"enum": codes}, "status": object{"const": status}}}},
			}}},
		}
		if header := map[int]string{429: "Retry-After", 503: "Retry-After"}[status]; header != "" {
			response["headers"] = object{header: object{"description": "The seconds to wait before the next attempt.", "schema": object{"type": "integer"}}}
		}
		key := strings.Trim(strings.ReplaceAll(fmt.Sprint(codes), " ", "."), "[]")
		errors[key] = response
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + key}
	}
	op["responses"] = responses
	return op
}
