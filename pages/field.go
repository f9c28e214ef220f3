package pages

import (
	"slices"
	"strings"

	"github.com/usherkit/usher"
)

// Field is an input of a page, for the template "field".
type Field struct {
	// Page is the page that the input is on.
	Page *Page
	// Name is the name of the input, as in the JSON routes; ID is its id.
	Name, ID string
	// Label names the input; Hint says what is expected, or is empty.
	Label, Hint string
	// Type and Inputmode are attributes; Inputmode may be empty. The type "checkbox" is a
	// box, whose value is "yes" if it is ticked.
	Type, Inputmode string
	// Autocomplete is the attribute by which password managers recognize the input.
	Autocomplete string
	// Value is what was typed before. It is empty for a password.
	Value string
	// Errors say what is wrong; Links lead to pages that help.
	Errors []string
	Links  []Link
	// Secret is true for a password, New for a new password, and Address for an email
	// address, a login id or a code.
	Secret, New, Address bool
	// Optional is true if the input may be left empty.
	Optional bool
	// Checked is true if the box is ticked.
	Checked bool
	// Focus is true for the input that gets the focus.
	Focus bool
	// Describedby are the ids of the elements that describe the input.
	Describedby string
}

// Link is a link to another page.
type Link struct {
	// Text is what the user reads. Required.
	Text string
	// URL is the address of the page. Required.
	URL string
}

// Field returns an input of the page; autocomplete is the value of that attribute.
func (p *Page) Field(name, autocomplete string) Field {
	label := "field." + name
	if slices.ContainsFunc(p.site.fields, func(own usher.SignUpField) bool { return own.Name == name }) {
		label = "own." + label
	}
	f := Field{
		Page: p, Name: name, ID: name, Label: p.T(label), Type: "text", Autocomplete: autocomplete,
		Value: p.values[name], Errors: p.errors[name], Links: p.links[name], Focus: p.focus == name,
	}
	switch autocomplete {
	case "current-password":
		f.Secret = true
	case "new-password":
		f.Secret, f.New = true, true
		if len(p.Policy.List) == 1 { // the hint suggests words, which meet no rule of composition
			f.Hint = p.T("password.hint")
		}
	case "email":
		f.Type, f.Address = "email", true
	case "one-time-code":
		// No pattern and no maximum length: blanks and hyphens in a pasted code do not count.
		f.Inputmode, f.Address = "numeric", true
	case "username":
		// Not the type email: a login id need not be an address.
		f.Inputmode, f.Address = "email", true
	}
	if f.Secret {
		f.Type, f.Value = "password", ""
	}
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID+"-hint")
	}
	if f.New {
		ids = append(ids, f.ID+"-rules")
	}
	if len(f.Errors) > 0 {
		ids = append(ids, f.ID+"-error")
	}
	// When a page is loaded, a screen reader reads its messages only together with
	// the focused input.
	if f.Focus && p.Notice != "" {
		ids = append(ids, "notice")
	}
	if f.Focus && p.Alert != "" {
		ids = append(ids, "alert")
	}
	f.Describedby = strings.Join(ids, " ")
	return f
}

// AsOptional returns a copy of the field with Optional set.
func (f Field) AsOptional() Field {
	f.Optional = true
	return f
}
