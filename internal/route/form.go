package route

import (
	"net/http"
	"net/url"
	"unicode/utf8"
)

// FormOrJSON returns the handler of a path that has both pages and a JSON route.
// Forms go to pages. So do, if the path has a page to open, all methods except
// POST and OPTIONS. Everything else goes to json.
func (c *Chain) FormOrJSON(pages, json Methods) http.Handler {
	switch {
	case len(pages) == 0:
		return c.Path(json)
	case len(json) == 0:
		return c.page(c.formsOnly(pages))
	}
	page, program := c.page(pages), c.Path(json)
	opens := pages[http.MethodGet] != nil
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if IsForm(r) || opens && r.Method != http.MethodPost && r.Method != http.MethodOptions {
			page.ServeHTTP(w, r)
			return
		}
		program.ServeHTTP(w, r)
	})
}

// formsOnly makes the POST handler of m answer 415 to everything except forms.
func (c *Chain) formsOnly(m Methods) Methods {
	only := Methods{}
	for method, handler := range m {
		if only[method] = handler; method == http.MethodPost {
			only[method] = c.Action(func(w http.ResponseWriter, r *http.Request) error {
				if !IsForm(r) {
					return ErrMediaType
				}
				handler.ServeHTTP(w, r)
				return nil
			})
		}
	}
	return only
}

// DecodeForm reads the body of a form. An input that occurs twice is an error,
// because two readers could take different ones. Nothing is read from the query.
func DecodeForm(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	body, err := ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		return nil, BadBody("The form could not be read.")
	}
	return ParseForm(string(body))
}

// ParseForm returns the inputs of an encoded form.
func ParseForm(body string) (map[string]string, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, BadBody("The form could not be read.")
	}
	in := map[string]string{}
	for name, all := range values {
		if len(all) != 1 {
			return nil, BadBody("The form has an input twice.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(all[0]) {
			return nil, BadBody("The form is not valid UTF-8.")
		}
		in[name] = all[0]
	}
	return in, nil
}
