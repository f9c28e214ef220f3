package repotest

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/printer"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// configurable are the packages that programs configure, in the order of the page.
var configurable = []string{"", "handlers", "pages", "texts", "mail", "password", "middleware", "cookies", "token", "store/sqlite", "store/postgres", "store/sqlstore", "descope", "ushertest"}

// settings are the types of settings that are not named Config or Options, and belong to no
// other type of settings.
var settings = []string{"mail.Folder"}

// settingsPage builds the page of all settings.
type settingsPage struct {
	t        *testing.T
	packages map[string]*doc.Package    // by name
	structs  map[string]*ast.StructType // by qualified name, such as "usher.Config"
	comments map[string]string          // of the structs
	used     map[string]bool            // the structs on the page
}

// Each field of each type of settings has a comment that names its default, or says that it
// is required, and the reference of all settings has these comments.
func TestCF06_EachSettingIsDocumented(t *testing.T) {
	t.Parallel()
	page := settingsPage{t, map[string]*doc.Package{}, map[string]*ast.StructType{}, map[string]string{}, map[string]bool{}}
	var roots []string
	for _, dir := range configurable {
		p := packageDoc(t, dir, 0)
		page.packages[p.Name] = p
		for _, typ := range p.Types {
			spec, name := typ.Decl.Specs[0].(*ast.TypeSpec), p.Name+"."+typ.Name
			if s, ok := spec.Type.(*ast.StructType); ok {
				page.structs[name], page.comments[name] = s, typ.Doc
				if strings.HasSuffix(name, "Config") || strings.HasSuffix(name, "Options") || slices.Contains(settings, name) {
					roots = append(roots, name)
				}
			}
		}
	}
	for _, root := range roots {
		page.use(root)
	}
	if len(page.used) < 25 {
		t.Errorf("only %d types of settings: %v", len(page.used), page.used)
	}
	checkGenerated(t, "docs/configuration.md", page.String())
}

// use puts a struct, and those in its fields, onto the page.
func (p *settingsPage) use(name string) {
	if p.used[name] {
		return
	}
	p.used[name] = true
	for _, f := range p.fields(name) {
		if nested := p.structOf(name, f.Type); nested != "" {
			p.use(nested)
		}
	}
}

// fields returns the exported fields of a struct.
func (p *settingsPage) fields(name string) (fields []*ast.Field) {
	for _, f := range p.structs[name].Fields.List {
		if len(f.Names) == 0 || f.Names[0].IsExported() {
			fields = append(fields, f)
		}
	}
	return fields
}

// structOf returns the struct with exported fields that a field of the struct has, or "".
func (p *settingsPage) structOf(name string, typ ast.Expr) string {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return p.structOf(name, typ.X)
	case *ast.ArrayType:
		return p.structOf(name, typ.Elt)
	case *ast.MapType:
		return p.structOf(name, typ.Value)
	case *ast.SelectorExpr:
		name = fmt.Sprint(typ.X, ".", typ.Sel)
	case *ast.Ident:
		pkg, _, _ := strings.Cut(name, ".")
		name = pkg + "." + typ.Name
	default:
		return ""
	}
	if p.structs[name] == nil || len(p.fields(name)) == 0 {
		return ""
	}
	return name
}

// String returns the page.
func (p *settingsPage) String() string {
	var page strings.Builder
	page.WriteString(`# Configuration

<!-- Generated from the comments of the types. To change it, change them and run: go test ./internal/repotest -run CF06 -update -->

Every setting, by package. A setting that is zero has the default that its text names,
unless it is required. [operating.md](operating.md) says which ones a program in production
needs, and [SECURITY.md](../SECURITY.md) what the defaults protect.

`)
	var body strings.Builder
	for _, dir := range configurable {
		pkg := p.packages[packageDoc(p.t, dir, 0).Name]
		fmt.Fprintf(&page, "- [Package %s](#package-%s):", pkg.Name, pkg.Name)
		fmt.Fprintf(&body, "\n## Package %s\n", pkg.Name)
		separator := " "
		for _, typ := range pkg.Types {
			if name := pkg.Name + "." + typ.Name; p.used[name] {
				fmt.Fprintf(&page, "%s[%s](#%s)", separator, typ.Name, fragment(name))
				separator = ", "
				p.writeType(&body, pkg, name)
			}
		}
		page.WriteString("\n")
	}
	return page.String() + body.String()
}

func fragment(name string) string { return strings.ToLower(strings.ReplaceAll(name, ".", "")) }

// namesDefault matches a comment that names a default, or says that there is none.
var namesDefault = regexp.MustCompile(`[Dd]efaults? to |\bRequired\b|(is|are) required|own default|is the default`)

// writeType writes the section of a struct.
func (p *settingsPage) writeType(page *strings.Builder, pkg *doc.Package, name string) {
	fmt.Fprintf(page, "\n### %s\n\n%s\n| setting | type | |\n| --- | --- | --- |\n", name, p.markdown(pkg, p.comments[name]))
	for _, f := range p.fields(name) {
		var names []string
		for _, n := range f.Names {
			names = append(names, "`"+n.Name+"`")
		}
		var typ strings.Builder
		if err := printer.Fprint(&typ, token.NewFileSet(), f.Type); err != nil {
			p.t.Fatal(err)
		}
		shown := "`" + typ.String() + "`"
		text := f.Doc.Text()
		nested := p.structOf(name, f.Type)
		if nested != "" {
			shown = "[" + shown + "](#" + fragment(nested) + ")"
		}
		_, byValue := f.Type.(*ast.StarExpr)
		if text == "" || !namesDefault.MatchString(oneLine(text)) && (nested == "" || byValue) {
			p.t.Errorf("the comment of %s.%s neither names a default nor says that it is required: %q", name, strings.Join(names, ", "), text)
		}
		cell := strings.ReplaceAll(strings.TrimSpace(p.markdown(pkg, text)), "\n\n", "<br>")
		fmt.Fprintf(page, "| %s | %s | %s |\n", strings.Join(names, ", "), shown, strings.ReplaceAll(oneLine(cell), "|", `\|`))
	}
}

// markdown returns a comment as Markdown, with links to the documentation of Go.
func (p *settingsPage) markdown(pkg *doc.Package, text string) string {
	printer := pkg.Printer()
	printer.DocLinkURL = func(link *comment.DocLink) string {
		if link.ImportPath == "" {
			link.ImportPath = pkg.ImportPath
		}
		typ := link.Recv
		if typ == "" {
			typ = link.Name
		}
		if name := path.Base(link.ImportPath) + "." + typ; p.used[name] {
			return "#" + fragment(name)
		}
		return link.DefaultURL("https://pkg.go.dev")
	}
	text = string(printer.Markdown(pkg.Parser().Parse(text)))
	// An address is an example, and not a link.
	return regexp.MustCompile(`\[(https?://[^\]]+)\]\([^)]+\)`).ReplaceAllString(text, "$1")
}
